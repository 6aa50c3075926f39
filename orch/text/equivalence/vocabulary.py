"""The vocabulary: things, qualities and actions as concepts that English and Spanish forms share.
Data only.

In a table concepts are separated by `;`, and the first form names the concept.
"""

from __future__ import annotations

VERBS = """
 delete remove erase|borr elimin suprim quit; create generate|cre gener; make prepare cook made!|hac
hag hic hizo! prepar cocin; run execute ran!|ejecut; jog|corr; write wrote! written!|escrib; reverse
invert|invert inviert; undo revert undid! undone!|deshac deshag deshic revert reviert; convert
transform|convert conviert transform; change modify|cambi modific; update|actualiz; rename|renombr;
copy|copi; move|mov muev; open|abr; close|cerr cierr; exit quit|sal salg; read|le; find search
locate|encontr encuentr busc; count|cont cuent; add sum|añad agreg sum; start begin began!
begun!|empez empiez comenz comienz inici; end finish|termin acab finaliz; stop|par deten detien
deteng; restart|reinici; install|instal; uninstall|desinstal; enable activate|activ habilit;
sort|orden; disable deactivate|desactiv deshabilit; connect|conect; disconnect|desconect; use|us
utiliz emple; check verify|comprob comprueb verific; kill|mat; clone|clon; merge combine|fusion
combin; divide|divid; split|separ; multiply|multiplic; subtract|rest; compare|compar;
translate|traduc traduzc; summarize summarise|resum; explain|explic; discover|descubr;
invent|invent; paint|pint; win won!|gan; lose lost!|perd pierd; die|mor muer mur; fall fell!
fallen!|ca; build built!|constru construy; live|viv; sleep slept!|dorm duerm; eat ate! eaten!|com;
drink drank!|beb; learn|aprend; teach taught!|enseñ; buy bought!|compr; sell sold!|vend; pay
paid!|pag; speak spoke!|habl; say said!|dec dic dig dijo!; show display|mostr muestr; hide hid!
hidden!|ocult escond; increase|aument increment; decrease reduce|reduc reduzc disminu; upload|sub;
download|descarg; improve|mejor; work|funcion trabaj; prevent avoid|evit; mix|mezcl; send
sent!|envi; receive|recib; save|guard; print|imprim; iterate|recorr iter; fix solve repair|arregl
solucion resolv resuelv repar; correct|correg corrig; replace|reemplaz sustitu; filter|filtr;
compile|compil; debug|depur; deploy|despleg desplieg; test|prob prueb; import|import; export|export;
encrypt|cifr encript; decrypt|descifr desencript; compress|comprim; extract|extra; lock|bloque;
unlock|desbloque; mount|mont; unmount|desmont; configure|configur; happen occur|ocurr suced; grow
grew!|crec; fly flew!|vol vuel; purr|ronrone; bark|ladr; boil|herv hierv; cause|caus; need|necesit;
want|quer quier; help|ayud; choose chose!|eleg elij elig; play|jug jueg; draw drew!|dibuj; sing
sang!|cant; travel|viaj; record|grab; share|compart; sign|firm; validate|valid; wait|esper;
cut|cort; clean|limpi; wash|lav; squash|aplast; get obtain got!|obten obtien; call|llam; measure|med
mid; break broke! broken!|romp; push|empuj; pull; format|formate; spell|deletre; pronounce|pronunci;
rotate|rot; round|redonde; parse|pars analiz; join concatenate|concaten; center|centr; match; see
view saw! seen! ver veo vemos; know knew! saber sabe; compute calculate|calcul; produce|produc;
freeze froze! frozen!|congel; remember|record; forget forgot! forgotten!|olvid; contain|conten
contien; protect|proteg protej; store|almacen; cancel|cancel; register|registr
"""
"""English | Spanish stems; `!` marks a past form."""
ADJECTIVES = """
 big large grande gran; small pequeño; fast quick quickly rapido rapidamente rapid; slow slowly
lento lentamente; long largo; short corto breve; high tall alto; low; old viejo antiguo; new nuevo;
good bueno; bad malo; cheap barato; expensive caro; safe safely seguro; dangerous peligroso; free
gratis gratuito; easy facil; deep profundo; hard difficult dificil; hot caliente; cold frio; last
latest ultimo; ord1 first 1st primero primer; ord2 second 2nd segundo; ord3 third 3rd tercero
tercer; virtual; relational relacional; blue azul; red rojo; green verde; black negro; white blanco;
yellow amarillo; empty vacio; local; remote remoto; public publico; private privado; electric
electrico; solar; human humano; healthy sano saludable; homemade casero; linked enlazado; double
doble doubly doblemente; random aleatorio; simple sencillo; important importante; famous famoso;
rich rico; poor pobre; strong fuerte; weak debil; full lleno completo complete; necessary necesario;
legal; illegal ilegal; automatic automatico; quantum cuantico; renewable renovable; nuclear; global;
natural; artificial; square cuadrado; formal; informal; hidden oculto; dark oscuro; asynchronous
async asincrono; synchronous sync sincrono; vegan vegano; vegetarian vegetariano; normal; common
comun; different distinto diferente; same mismo; foreign foraneo; salty salado; chemical quimico;
unit-ary unitario; round redondo; flat plano; sweet dulce; bitter amargo; heavy pesado;
light-weight ligero; tired cansado; sad triste; happy feliz; sick enfermo; alive vivo; dead muerto;
broken roto; clean-ed limpio; dirty sucio; wide ancho; thin fino; dry seco; wet mojado
"""
NOUNS = """
 file archivo fichero; folder directory carpeta directorio; branch rama; repository repo
repositorio; list lista listar listo; dictionary dict diccionario; tuple tupla; string cadena;
integer int entero; function funcion; class clase; object objeto; loop bucle; array arreglo; error;
database db bbdd; table tabla; column columna; row fila; index indice indices; query consulta; user
usuario; username; password contraseña; key clave; server servidor; network redes; container
contenedor; image imagen; volume volumen volumenes; process proceso; port puerto; service servicio;
package paquete; version; environment entorno; script; command comando; line linea; word palabra;
sentence frase oracion; text texto; letter letra; number numero; email mail correo e-mail; message
mensaje; link enlace; page pagina; web; button boton; screen pantalla; computer ordenador
computadora; phone telephone telefono movil; key-board teclado; mouse raton; memory memoria; disk
disco; cpu procesador; capital; city ciudad; country pais paises; continent continente; world mundo;
river rio; mountain montaña; sea mar; ocean oceano; lake lago; island isla; planet planeta; moon
luna; sun sol; earth tierra; star estrella; sky cielo; light luz luces; speed velocidad; distance
distancia; height altura; weight peso; price precio; age edad; size tamaño; length longitud;
population poblacion habitante; currency moneda; temperature temperatura; meaning significado;
definition definicion; difference diferencia; advantage benefit pro ventaja beneficio; example
ejemplo; symptom sintoma; disadvantage drawback desventaja inconveniente; cat gato; dog perro; bird
pajaro ave; fish pez peces pescado; horse caballo; animal; fruit fruta; flu gripe; fever fiebre;
headache dolor-de-cabeza; bread pan; egg huevo; rice arroz; chicken pollo; potato patata papa;
omelette tortilla; milk leche; cheese queso; sugar azucar; salt sal; oil aceite; water agua; coffee
cafe; tea te; wine vino; beer cerveza; cake pastel tarta; soup sopa; salad ensalada; breakfast
desayuno desayunar; lunch almuerzo almorzar; dinner supper cena cenar; tower torre; wall muro;
bridge puente; light-year año-luz; year año; month mes meses; week semana; day dia; hour hora;
minute minuto; second-s seconds segundos; today hoy; tomorrow mañana; yesterday ayer; now ahora;
leap bisiesto; spring primavera; summer verano; autumn fall-season otoño; winter invierno; king rey;
queen reina; president presidente; war guerra; history historia; story cuento relato; poem poema;
song cancion; joke chiste; novel novela; book libro; author autor; movie film pelicula; idea; tip
consejo; gift present regalo; birthday cumpleaños; friend amigo; boss jefe; mother madre; father
padre; child niño; woman mujer; man hombre; people persona person gente; doctor medico; teacher
profesor maestro; student estudiante alumno; company empresa compañia; job position trabajo empleo
puesto; work-n; meeting reunion; holiday vacation vacaciones; house casa; car coche carro auto;
engine motor; train tren; plane avion; road carretera; energy energia; hole agujero; recursion
recursividad; inheritance herencia; programming programacion; programmer programador; thread hilo;
algorithm algoritmo; cloud nube; security seguridad; injection inyeccion; photosynthesis
fotosintesis; gravity gravedad; inflation inflacion; penicillin penicilina; cell celula; bacterium
bacteria; virus; vaccine vacuna; blood sangre; heart corazon; brain cerebro; body cuerpo; bone
hueso; bleach lejia; ammonia amoniaco; diesel; polymorphism polimorfismo; encryption cifrado;
democracy democracia; revolution revolucion; war-ww1 ww1; war-ww2 ww2; climate clima; change-n; plot
argumento trama; summary resumen; recipe receta; japan japon; spain españa; france francia; germany
alemania; italy italia; england inglaterra; switzerland suiza; sweden suecia; mexico; brazil brasil;
greece grecia; egypt egipto; usa us eeuu; uk; europe europa; africa; asia; america; london londres;
rome roma; netherlands holanda; poland polonia; turkey turquia; russia rusia; norway noruega;
canada; english ingles; spanish español castellano; french frances; german aleman; italian italiano;
portuguese portugues; japanese japones; chinese chino; russian ruso; catalan; quixote quijote;
argentina; peru; ireland irlanda; denmark dinamarca; finland finlandia; belgium belgica; hungary
hungria; morocco marruecos; india; china; portugal; chile; all every each todo cada; only solo
solamente; always siempre; more mas; less menos; better; best; worse peor; average promedio media;
sum-n suma; prime primo; even par; odd impar; factorial; square-root raiz-cuadrada; percent
porcentaje percentage; vowel vocal; palindrome palindromo; duplicate repetido duplicado; element
item elemento; compiler compilador; interface interfaz interfaces; pointer puntero; stack pila;
queue cola; tree arbol; graph grafo; node-n nodo; lambda; closure; exception excepcion; request
peticion solicitud; api; regex; url; mutex; deadlock interbloqueo; kernel nucleo; shell; firewall
cortafuegos; backup; token; cookie; certificate certificado; machine-learning; neural neuronal; data
dato; model modelo; science ciencia; language idioma lenguaje; greeting saludo; birth nacimiento;
death muerte; museum museo; art arte; space espacio; tab tabulador; comma coma; color colour; date
fecha; time tiempo; value valor; name nombre; type tipo; parameter parametro; argument; method
metodo; module modulo; library biblioteca libreria; test-n prueba; terminal consola console; mode
modo; weather; distribution; electricity electricidad; rain lluvia; snow nieve; wind viento; fire
fuego; sheet hoja; field campo; path ruta; header cabecera; response respuesta; question pregunta;
exam examen; school escuela; money dinero; bank banco; tax impuesto; law ley; health salud; disease
enfermedad; pain dolor; head cabeza; eye ojo; hand mano; tooth teeth diente; hair pelo; skin piel;
exercise ejercicio; sport deporte; football soccer futbol; game juego; player jugador; team equipo;
guitar guitarra; garden jardin; plant planta; flower flor; bee abeja; spider araña; snake serpiente;
wolf wolves lobo; lion leon; whale ballena; shark tiburon; volcano volcan; earthquake terremoto;
storm tormenta; desert desierto; forest bosque; beach playa; border frontera; century siglo; empire
imperio; church iglesia; god dios; soul alma; dream sueño; love amor; fear miedo; happiness
felicidad; binary binario; search-n busqueda; substring subcadena; character caracter caracteres;
comment comentario; permission permiso; owner propietario; printer impresora; browser navegador;
form formulario; chart grafico; report informe; invoice factura; contract contrato; budget
presupuesto; salary sueldo salario; interview entrevista; lowercase minuscula; uppercase mayuscula;
news noticia; street calle; address direccion; weekend; morning; night noche; nail uña; shoe zapato;
shirt camisa; chair silla; bed cama; door puerta; window-pane ventana; kitchen cocina; apple
manzana; orange-fruit naranja; lemon limon; tomato tomate; onion cebolla; garlic ajo; carrot
zanahoria; bean judia alubia frijol; meat carne; beef ternera; pork cerdo; honey miel; butter
mantequilla; flour harina; pepper pimienta; pancake tortita; knife cuchillo; spoon cuchara; glass
vaso vidrio; iron hierro; gold oro; silver plata; copper cobre; wood madera; stone piedra; paper
papel; heat calor; ice hielo; sound sonido; wave onda; force fuerza; mass masa; noun sustantivo;
verb verbo; grammar gramatica; spelling ortografia; paragraph parrafo; essay ensayo; title titulo;
chapter capitulo; page-n; magazine revista
"""
TECH = frozenset(
    (
        "python java javascript typescript c c++ c# go rust ruby php sql bash linux "
        "windows mac ubuntu debian fedora git github docker kubernetes css node"
        " react vue pandas numpy excel vim vscode postgresql mysql mongodb redis "
        "sqlite nginx curl ssh ollama terminal powershell android ios swift kotlin"
        " django flask npm jquery perl scala systemctl"
    ).split()
)
"""Tools and languages: before these, `in`, `with`, `for` and no preposition mean the same."""
ALIASES = dict(
    pair.split("=")
    for pair in """js=javascript ts=typescript nodejs=node node.js=node vue.js=vue react.js=react
    postgres=postgresql k8s=kubernetes py=python python3=python golang=go macos=mac
    cpp=c++ csharp=c# centre=center colour=color one=1 two=2 three=3 four=4 five=5
    six=6 seven=7 eight=8 nine=9 ten=10 twelve=12 hundred=100 uno=1 dos=2 tres=3
    cuatro=4 cinco=5 seis=6 siete=7 ocho=8 nueve=9 diez=10 doce=12 cien=100 dont=don't
    whats=what's hows=how's wheres=where's""".split()
)
UNITS = """
 km kilometer kilometre kilometro; m meter metre metro; cm centimeter centimetre centimetro; mm
millimeter milimetro; mile mi milla; foot feet ft pie; inch inches pulgada; yard yarda; kg kilo
kilogram kilogramo; g gram gramo; lb lbs pound libra; oz ounce onza; l liter litre litro; ml
milliliter mililitro; cup taza; gallon galon; usd dollar dolar; eur euro; gbp; celsius °c c°;
fahrenheit °f; kelvin; percent %; kb; mb; gb; tb; byte; bit; h hour hora; min minute minuto; s; ms;
kwh; w watt vatio; kmh km/h; mph; ha hectarea
"""
COMPARATIVES = dict(
    pair.split("=")
    for pair in """bigger=big larger=big greater=big smaller=small longer=long shorter=short
    higher=high taller=high lower=low faster=fast slower=slow older=old newer=new
    cheaper=cheap safer=safe easier=easy harder=hard hotter=hot colder=cold
    deeper=deep stronger=strong""".split()
)
IMPLIED_BY = {
    "file": frozenset("csv json pdf zip txt xml yaml png jpg excel".split()),
    "server": {"nginx", "apache"},
    "city": {"capital"},
    "acronym": {"stand"},
    "element": {"duplicate"},
    "language": {"python", "java", "rust", "javascript", "ruby", "kotlin"},
}
"""A word without meaning beside one of these."""

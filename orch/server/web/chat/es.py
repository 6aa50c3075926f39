"""The view `Chat` in Spanish."""

from __future__ import annotations

from orch.server.web.components import decision

SPANISH = {
    **decision.SPANISH,
    "(not kept)": "(no se guardó)",
    "1 turn": "1 turno",
    "A file is larger than {n} MB": "Un archivo ocupa más de {n} MB",
    "Answer": "Respuesta",
    "Ask again": "Preguntar otra vez",
    "Ask something": "Pregunta algo",
    "Ask this one": "Preguntar a este",
    "Asked": "Modelos preguntados",
    "At most {n} files go with a question": "Con una pregunta van como mucho {n} archivos",
    "Attach": "Adjuntar",
    "Bad answer": "Mala respuesta",
    "Balanced": "Equilibrado",
    "Cancel": "Cancelar",
    "Chat": "Chat",
    "Choosing a model…": "Eligiendo un modelo…",
    "Close": "Cerrar",
    "Code": "Código",
    "Conversation": "Conversación",
    "Conversations": "Conversaciones",
    "Copied": "Copiado",
    "Copy code": "Copiar el código",
    "Enter sends, Shift+Enter makes a new line": "Intro envía, Mayús+Intro hace una línea nueva",
    "From speed to quality": "De velocidad a calidad",
    "Good answer": "Buena respuesta",
    "Kind of task": "Tipo de tarea",
    "New conversation": "Conversación nueva",
    "No conversation yet.": "Aún no hay conversaciones.",
    "No model": "Ningún modelo",
    "No model can be reached": "No se llega a ningún modelo",
    "No model is installed": "No hay ningún modelo instalado",
    "Nothing was recalled.": "No se recordó nada.",
    "Older turns of this conversation are not shown.": (
        "Los turnos más antiguos de esta conversación no se muestran."
    ),
    "PDFs and archives have to be turned into text first": (
        "Los PDF y los archivos comprimidos hay que convertirlos antes en texto"
    ),
    "Profile: balanced": "Perfil: equilibrado",
    "Profile: {n} of 10 (0 is speed alone, 10 is quality alone)": (
        "Perfil: {n} de 10 (0 es solo velocidad, 10 es solo calidad)"
    ),
    "Recalled from memory": "Recordado de la memoria",
    "Remove": "Quitar",
    "Send": "Enviar",
    "Settings": "Ajustes",
    "Show the choice first": "Mostrar antes la elección",
    "Stop": "Parar",
    "System prompt": "Instrucción de sistema",
    "The answer did not come.": "La respuesta no llegó.",
    "The answer is there.": "La respuesta está lista.",
    "The choice": "La elección",
    "The decision was not kept.": "La decisión no se guardó.",
    "The model called {name}.": "El modelo llamó a {name}.",
    "The same model again": "El mismo modelo otra vez",
    "The server ended before this answer was written down.": (
        "El servidor terminó antes de que esta respuesta se guardara."
    ),
    "The server ended in the middle of this answer.": (
        "El servidor terminó en mitad de esta respuesta."
    ),
    "The view Models fetches one.": "La vista Modelos trae uno.",
    "Thinking": "Razonamiento",
    "This answer was interrupted.": "Esta respuesta se interrumpió.",
    "This was …": "Esto era …",
    "Try another model": "Probar otro modelo",
    "Until then a built-in demonstration answers, which is often wrong. In a terminal, orch setup finds a real model.": (
        "Hasta entonces responde una demostración integrada, que se equivoca a menudo. En una"
        " terminal, orch setup busca un modelo de verdad."
    ),
    "Waiting for the model…": "Esperando al modelo…",
    "Which answer is better?": "¿Qué respuesta es mejor?",
    "Why this model": "Por qué este modelo",
    "Wrong type?": "¿Otro tipo?",
    "Your question": "Tu pregunta",
    "Your word on this answer": "Tu opinión sobre esta respuesta",
    "about {s} s": "unos {s} s",
    "analysis": "análisis",
    "answered": "respondió",
    "attach the part that matters": "adjunta la parte que importa",
    "broke off": "se cortó",
    "built-in demonstration, often wrong": "demostración integrada, se equivoca a menudo",
    "coding": "código",
    "confidence {n} %": "confianza {n} %",
    "creative": "creatividad",
    "exploration": "exploración",
    "failed": "falló",
    "from the cache": "de la caché",
    "interrupted": "interrumpida",
    "orch picks the model that answers best soonest, and says why.": (
        "orch elige el modelo que antes responde mejor, y dice por qué."
    ),
    "profile: {name}": "perfil: {name}",
    "reasoning": "razonamiento",
    "research": "investigación",
    "score {n}": "puntuación {n}",
    "simple": "sencilla",
    "writing": "redacción",
    "{model} failed: {why}. {other} takes over.": "{model} falló: {why}. Sigue {other}.",
    "{name} is empty": "{name} está vacío",
    "{name} is larger than {n} MB": "{name} ocupa más de {n} MB",
    "{name} is longer than {n} MB of text": "{name} tiene más de {n} MB de texto",
    "{name} is neither a text nor a picture (PNG, JPEG, GIF, WebP)": (
        "{name} no es ni un texto ni una imagen (PNG, JPEG, GIF, WebP)"
    ),
    "{n} tokens": "{n} tokens",
    "{n} tokens of prompt": "{n} tokens de entrada",
    "{n} tokens/s": "{n} tokens/s",
    "{n} turns": "{n} turnos",
    "{s} s in all": "{s} s en total",
    "{s} s to load": "{s} s de carga",
    "{s} s to the first token": "{s} s hasta el primer token",
}

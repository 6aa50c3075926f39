"""The Spanish of the view `Models`."""

from __future__ import annotations

SPANISH = {
    "Provider {name} can't be used: {why}": "El proveedor {name} no está disponible: {why}",
    "Start it with: ollama serve": "Inícielo con: ollama serve",
    "Start the server at {address}": "Inicie el servidor en {address}",
    "models.yaml is written": "models.yaml está escrito",
    "Memory for models": "Memoria para modelos",
    "{loaded} GB loaded; how much there is in all is not known": (
        "{loaded} GB cargados; no se sabe cuánto hay en total"
    ),
    "No model is loaded; there are {budget} GB": "Ningún modelo está cargado; hay {budget} GB",
    "{loaded} GB of {budget} GB loaded": "{loaded} GB de {budget} GB cargados",
    "in use": "en uso",
    "idle": "inactivo",
    "All models": "Todos los modelos",
    "Listed models stand in models.yaml, and may be routed to.": (
        "Los modelos de la lista están en models.yaml y pueden recibir tareas."
    ),
    "Unlisted models may be routed to as well": (
        "Los modelos fuera de la lista también pueden recibir tareas"
    ),
    "Show the change to models.yaml": "Mostrar el cambio en models.yaml",
    "Undo": "Deshacer",
    "There is no model yet": "Aún no hay ningún modelo",
    "Fetch one above, such as qwen3:4b": "Descargue uno arriba, por ejemplo qwen3:4b",
    "Listed": "En la lista",
    "Listed in models.yaml: {name}": "En la lista de models.yaml: {name}",
    "only embeds": "solo hace embeddings",
    "may be routed to": "puede recibir tareas",
    "not routed to": "no recibe tareas",
    "not routed to: models.yaml does not say remote: allow": (
        "no recibe tareas: models.yaml no dice remote: allow"
    ),
    "remote, {host}": "remoto, {host}",
    "Fetch": "Descargar",
    "Load": "Cargar",
    "Unload": "Liberar",
    "loaded": "cargado",
    "installed": "instalado",
    "not installed": "no instalado",
    "its provider is down": "su proveedor no responde",
    "unlisted": "fuera de la lista",
    "new": "nuevo",
    "last resort": "último recurso",
    "{tokens} tokens of context": "{tokens} tokens de contexto",
    "good at {kinds}": "bueno en {kinds}",
    "The change to models.yaml": "El cambio en models.yaml",
    "The file is made anew, from the one that orch brings along.": (
        "Se crea el archivo a partir del que trae orch."
    ),
    "Lines that go and lines that come": "Líneas que se quitan y líneas que se añaden",
    "Write it": "Escribirlo",
    "Leave it": "Dejarlo",
    "Fetch a model": "Descargar un modelo",
    "Name, such as qwen3:4b": "Nombre, por ejemplo qwen3:4b",
    "Provider": "Proveedor",
    "models.yaml has no Ollama into which models could be fetched.": (
        "models.yaml no tiene ningún Ollama al que se puedan descargar modelos."
    ),
    "Write the model's name first": "Escribe primero el nombre del modelo",
    "Cancel": "Cancelar",
    "Close": "Cerrar",
    "Progress": "Progreso",
    "It begins…": "Empieza…",
    "It is installed.": "Está instalado.",
    "{done} of {total}": "{done} de {total}",
    "Measured against rated": "Lo medido frente a lo estimado",
    "No installed model could be measured": "No hay ningún modelo instalado que medir",
    "Nothing is measured yet: figures come with each answer, and with orch bench.": (
        "Aún no hay medidas: llegan con cada respuesta y con orch bench."
    ),
    "below its rating": "por debajo de lo estimado",
    "above its rating": "por encima de lo estimado",
    "n: answers that were measured": "n: respuestas medidas",
    "Speed, tokens/s": "Velocidad, tokens/s",
    "Quality, 0 to 10": "Calidad, de 0 a 10",
    "{rating} of 10": "{rating} de 10",
    "Model": "Modelo",
    "rated": "estimado",
    "not measured": "sin medir",
    "coding": "código",
    "reasoning": "razonamiento",
    "exploration": "exploración",
    "writing": "redacción",
    "simple": "sencillo",
    "analysis": "análisis",
    "creative": "creativo",
    "research": "investigación",
}

"""What each command does, in Spanish, for README.es.md."""

COMMANDS = {
    "run": "Resuelve una tarea con el modelo que antes dará una buena respuesta.",
    "chat": "Conversa con tus modelos, turno a turno.",
    "route": "Muestra qué modelo tomaría una tarea y por qué; no ejecuta nada.",
    "classify": "Dice qué clase de tarea es un texto, o cada línea de un archivo JSONL.",
    "setup": "Examina esta máquina, dice qué modelos le convienen y descarga uno si aceptas.",
    "models": "Lista, recomienda, descarga y añade modelos.",
    "health": "Comprueba todo lo que hace falta para responder y dice qué escribir después.",
    "memory": "Busca, lee, amplía y borra lo que se recuerda.",
    "journal": "Exporta, copia y restaura el registro de todas las ejecuciones.",
    "cache": "Muestra las respuestas guardadas y las borra.",
    "stats": "Muestra tiempos reales, errores y respaldos, por modelo y por tipo.",
    "bench": "Mide la velocidad de los modelos y, con --quality, en qué es bueno cada uno.",
    "rate": "Valora una respuesta o corrige su tipo: las decisiones siguientes lo saben.",
    "replay": "Vuelve a decidir las tareas del registro con otra configuración; no ejecuta nada.",
    "serve": "Sirve las API de OpenAI, de Anthropic, de Ollama y la propia en esta máquina.",
    "mcp": "Ofrece las herramientas de orch a un programa que habla MCP, por stdin y stdout.",
    "launch": "Arranca Claude Code, Codex u OpenCode con tus modelos, y el servidor si hace falta.",
    "page": "Abre en tu navegador la página del servidor en marcha.",
    "config": "Valida, muestra y crea models.yaml y routing.yaml.",
}

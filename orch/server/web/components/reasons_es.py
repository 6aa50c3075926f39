"""The library's reasons in Spanish: why a model was chosen, ruled out or waits, phrase by phrase;
what is not among them stays as it is (pure)."""

from __future__ import annotations

import re

PHRASES = tuple(
    (re.compile(rf"(?<!\w){english}"), spanish)
    for english, spanish in (
        (r"best for (\w+)", r"el mejor para \1"),
        (r"choice (\d+) for (\w+)", r"opción \1 para \2"),
        (r"good at (\w+)", r"bueno en \1"),
        (r"weak at (\w+)", r"flojo en \1"),
        (r"as good as (.+?) here", r"tan bueno como \1 aquí"),
        (
            r"remote: its text would go to another machine, and models.yaml does not say",
            "remoto: su texto iría a otra máquina, y models.yaml no dice",
        ),
        (
            r"remote: its text would go to (\S+), and models.yaml does not say",
            r"remoto: su texto iría a \1, y models.yaml no dice",
        ),
        (r"remote, another machine", "remoto, otra máquina"),
        (r"benchmarks \((\d+), (\S+)\)", r"pruebas públicas (\1, \2)"),
        (r"guessed from size and date", "estimado por tamaño y fecha"),
        (r"guessed from size", "estimado por tamaño"),
        (r"guessed from date", "estimado por fecha"),
        (r"guessed, its size is unknown", "estimado sin saber su tamaño"),
        (r"as a relative of (\S+)", r"como pariente de \1"),
        (r"rated by you", "valorado por ti"),
        (r"rated\b", "valorado en models.yaml"),
        (r"remote, ", "remoto, "),
        (r"no loaded model can take this task", "ningún modelo cargado puede con esta tarea"),
        (r"loaded for embedding", "cargado para vectores"),
        (r"loaded for chat", "cargado para chat"),
        (r"not loaded", "sin cargar"),
        (r"loaded\b", "cargado"),
        (r"unlisted", "fuera de la lista"),
        (r"named by you", "indicado por ti"),
        (
            r"stays with this conversation; (.+) is better by less than (\S+)",
            r"sigue con esta conversación; \1 es mejor por menos de \2",
        ),
        (r"(\S.*?) would be slower and no better", r"\1 tardaría más y no sería mejor"),
        (
            r"(\S.*?) is better by less than (\S+), which loading it would take",
            r"\1 es mejor por menos de \2, lo que haría falta para cargarlo",
        ),
        (r"(\S.*?) would wait for memory: ", r"\1 esperaría memoria: "),
        (r"fallback: ", "suplente: "),
        (r"cached, (.+); --fresh asks again", r"respuesta guardada, \1; --fresh pregunta de nuevo"),
        (
            r"last resort: it answers only where nothing else can",
            "último recurso: solo responde donde nada más puede",
        ),
        (
            "a built-in demonstration of 135M parameters, often wrong; better: ",
            "demostración integrada de 135 M de parámetros, a menudo errónea; mejor: ",
        ),
        (
            r"its quality is below (\S+), the floor of this type",
            r"su calidad está por debajo de \1, el mínimo de este tipo",
        ),
        (
            r"needs ([\d,]+) tokens of context, it holds ([\d,]+)",
            r"necesita \1 tokens de contexto, admite \2",
        ),
        (r"needs (\S+ GB) beside (.+), there are (\S+ GB)", r"necesita \1 junto a \2, hay \3"),
        (r"needs (\S+ GB), there are (\S+ GB)", r"necesita \1, hay \2"),
        (r"it only embeds", "solo hace vectores"),
        (r"it has no (\w+)", r"no tiene \1"),
        (r"and no (\w+)", r"ni \1"),
        (r"not installed", "sin instalar"),
        (r"provider (\S+) is down: ", r"el proveedor \1 no responde: "),
        (r"its slot is in use", "su plaza está ocupada"),
        (r"its (\d+) slots are in use", r"sus \1 plazas están ocupadas"),
        (
            r"(\S+) has waited too long and goes first",
            r"\1 lleva demasiado tiempo esperando y va primero",
        ),
        (r"it is about to start", "está a punto de empezar"),
    )
)
"""In the order in which they are looked for: the longer ones before what they hold."""


def in_spanish(reason: str) -> str:
    """A reason with every phrase that is known in Spanish."""
    for english, spanish in PHRASES:
        reason = english.sub(spanish, reason)
    return reason

"""Texts of five kinds, three of each: code, prose in English and in Spanish, numbers, JSON."""

from __future__ import annotations

import heapq
import inspect
import json
import random
import textwrap
from collections.abc import Iterator
from pathlib import Path

LICENSE = Path(__file__).parents[2] / "LICENSE"
SPANISH = (
    """La primera vez que encendimos la máquina nadie esperaba que respondiera. Había pasado el
invierno en un rincón del taller, cubierta con una lona, y los ratones habían hecho su nido
entre los cables. Mi abuelo limpió los contactos con alcohol, cambió dos fusibles y apretó
el botón sin decir una palabra. Durante unos segundos no ocurrió nada; después se oyó un
zumbido grave, casi un suspiro, y la aguja empezó a moverse. Desde aquel día supimos que las
cosas viejas no siempre están rotas: a veces solo esperan a que alguien se tome la molestia
de escucharlas con paciencia.""",
    """El río baja turbio después de las lluvias y arrastra ramas, hojas y algún tronco que los
vecinos recogen en la orilla para secarlo al sol. Quien llega por el camino del molino ve
primero la torre de la iglesia, luego los tejados rojos y, al fondo, la línea azul de las
montañas. No hay tiendas grandes ni semáforos; la panadería abre a las seis y el único café
cierra cuando se marcha el último cliente. Los jóvenes dicen que es un pueblo aburrido, pero
todos vuelven en agosto, y cada año se quedan un poco más de lo que habían pensado al salir
de la ciudad.""",
    """Para entender por qué falló el servidor conviene mirar los registros de la noche anterior. A
las dos y cuarto la base de datos dejó de aceptar conexiones nuevas, porque un proceso
antiguo mantenía abiertas más de trescientas. El equipo reinició el servicio, aunque eso
solo ocultó el problema durante unas horas. La solución definitiva fue sencilla: cerrar cada
conexión cuando termina la petición y limitar cuántas puede abrir un mismo cliente. También
añadimos una alarma que avisa antes de llegar al máximo, y desde entonces no ha vuelto a
ocurrir nada parecido.""",
)


def texts_by_kind() -> dict[str, tuple[str, str, str]]:
    """Three texts of each kind, of some 1,500 characters, always the same."""
    code = inspect.getsource(heapq)[-6_000:] + inspect.getsource(textwrap)[-3_000:]
    return {
        "code": _thirds(code),
        "English": _thirds(LICENSE.read_text(encoding="utf-8")[2_000:8_000]),
        "Spanish": SPANISH,
        "numbers": _three(_numbers(random.Random(1))),
        "JSON": _three(_objects(random.Random(2))),
    }


def _thirds(text: str) -> tuple[str, str, str]:
    third = len(text) // 3
    return text[:third], text[third : 2 * third], text[2 * third :]


def _three(texts: Iterator[str]) -> tuple[str, str, str]:
    return next(texts), next(texts), next(texts)


def _numbers(chance: random.Random) -> Iterator[str]:
    while True:
        yield " ".join(str(chance.randrange(10 ** chance.randrange(1, 9))) for _ in range(300))


def _objects(chance: random.Random) -> Iterator[str]:
    words = "alpha river stone paper cloud market window garden silver winter".split()
    while True:
        rows = [
            {
                "id": chance.randrange(10**6),
                "name": f"{chance.choice(words)} {chance.choice(words)}",
                "score": round(chance.random(), 4),
                "tags": chance.sample(words, 3),
                "active": chance.random() < 0.5,
            }
            for _ in range(16)
        ]
        yield json.dumps(rows)

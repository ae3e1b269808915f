"""Encoding and decoding one image in the page itself, in headless Chromium."""

import shutil
from typing import TYPE_CHECKING

import jax
import numpy as np

import vrrae_lab as vl
from benchmarks.measure import Row
from tests.browser import rig
from vrrae_lab.models import freeze_basis
from vrrae_lab.widgets.card import bundle
from vrrae_lab.widgets.weights import page_model

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

TURNS = 200
SHAPES = ((64, 64, 1), (32, 32, 3), (28, 28, 1), (8, 8, 1))
LATENT_SIZE, RANK = 200, 16
ADDRESS = "http://localhost/"  # asked of nobody: every answer is given here
# Pages that share nothing with others have a clock of 5 µs; the others' has steps of 100.
ALONE = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
# In the page: milliseconds of each turn.
TIMES = """async ([spec, turns]) => {
    const { Model } = await import('/lab.js');
    const weights = new DataView(await (await fetch('/weights')).arrayBuffer());
    const numbers = (count) => Float32Array.from({ length: count }, Math.random);
    const z = numbers(spec.rank), x = numbers(spec.shape[0] * spec.shape[1] * spec.shape[2]);
    const time = (call) => {
        const from = performance.now();
        call();
        return performance.now() - from;
    };
    let model;
    const load = time(() => { model = Model.load(spec, weights); });
    const plain = new Model(spec, weights, null);
    const many = (call, count = turns) => Array.from({ length: 2 * count }, () => time(call)).slice(count);
    return {
        load: [load],
        decode: many(() => model.decode(z)),
        encode: many(() => model.encode(x)),
        'decode without SIMD': many(() => plain.decode(z), turns / 10),
    };
}"""


def rows(fast: bool) -> list[Row]:
    """Milliseconds for one image by a VRRAE of rank 16 out of 200: the median of 200 turns, of 20 without SIMD, and the
    fastest, after as many in which the browser compiles. "load" is from weights to a model, once.
    """
    if not any(map(shutil.which, rig.CHROMIUM)):
        return [{"image": "Chromium is absent"}]
    with rig.chromium() as browser:
        return [_row(browser.new_page(), shape, 10 if fast else TURNS) for shape in (SHAPES[-1:] if fast else SHAPES)]


def _row(page: "Page", shape: tuple[int, int, int], turns: int) -> Row:
    model = vl.vrrae(shape, latent_size=LATENT_SIZE, rank=RANK, key=jax.random.key(0))
    images = np.random.default_rng(0).random((RANK, *shape), np.float32)
    spec, weights = page_model(freeze_basis(model, images), name="VRRAE")
    answers = {"": ("text/html", ""), "lab.js": ("text/javascript", bundle()), "weights": ("", weights)}

    def answer(route: "Route") -> None:
        kind, body = answers[route.request.url.removeprefix(ADDRESS)]
        route.fulfill(content_type=kind, body=body, headers=ALONE)

    page.route(f"{ADDRESS}**", answer)
    page.goto(ADDRESS)
    times = page.evaluate(TIMES, [spec, turns])
    page.close()
    row = {"image": "×".join(map(str, shape)), "load": times.pop("load")[0]}
    for what, turns_taken in times.items():
        row |= {what: float(np.median(turns_taken)), f"{what}, fastest": min(turns_taken)}
    return row

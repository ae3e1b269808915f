"""Encoding and decoding one image in the page itself, in headless Chromium."""

import base64
import shutil

import jax

import vrrae_lab as vl
from benchmarks.measure import Row
from tests.browser import rig
from vrrae_lab.models import freeze_basis
from vrrae_lab.widgets.card import bundle
from vrrae_lab.widgets.weights import page_model

GROUPS, TOGETHER = 60, 100  # the clock of a page has steps of 0.1 ms, so many calls are timed together
SHAPES = ((64, 64, 1), (32, 32, 3), (28, 28, 1), (8, 8, 1))
LATENT_SIZE, RANK = 200, 16
# In the page: milliseconds of one call, for each group of calls.
TIMES = """async ([code, spec, base64, groups, together]) => {
    const { Model } = await import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
    const weights = new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);
    const numbers = (count) => Float32Array.from({ length: count }, Math.random);
    const z = numbers(spec.rank), x = numbers(spec.shape[0] * spec.shape[1] * spec.shape[2]);
    const time = (call, count) => {
        const from = performance.now();
        for (let i = 0; i < count; i++) call();
        return (performance.now() - from) / count;
    };
    let model;
    const load = time(() => { model = Model.load(spec, weights); }, 1);
    const plain = new Model(spec, weights, null);
    const many = (call, count) => Array.from({ length: groups + 2 }, () => time(call, count)).slice(2);
    return {
        load: [load],
        decode: many(() => model.decode(z), together),
        encode: many(() => model.encode(x), together),
        'decode without SIMD': many(() => plain.decode(z), 1),
    };
}"""


def rows(fast: bool) -> list[Row]:
    """Milliseconds for one image by a VRRAE of rank 16 out of 200, one core: median of 60 turns, and the fastest turn.
    The first turns, in which the browser compiles, are not counted; "load" is once, from weights to a model.
    """
    if not any(map(shutil.which, rig.CHROMIUM)):
        return [{"image": "Chromium is absent"}]
    with rig.chromium() as browser:
        return [_row(browser.new_page(), shape, 3 if fast else GROUPS) for shape in (SHAPES[-1:] if fast else SHAPES)]


def _row(page, shape: tuple[int, int, int], groups: int) -> Row:
    key = jax.random.key(0)
    model = vl.vrrae(shape, latent_size=LATENT_SIZE, rank=RANK, key=key)
    spec, weights = page_model(freeze_basis(model, jax.random.uniform(key, (RANK, *shape))), name="VRRAE")
    times = page.evaluate(TIMES, [bundle(), spec, base64.b64encode(weights).decode(), groups, TOGETHER])
    page.close()
    row = {"image": "×".join(map(str, shape))}
    for what, turns in times.items():
        row[what] = sorted(turns)[len(turns) // 2]
        if len(turns) > 1:
            row[f"{what}, fastest"] = min(turns)
    return row

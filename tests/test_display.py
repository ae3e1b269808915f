"""What objects show of themselves: a line as text, and in a notebook a card, curves or a table."""

import base64
import io
import itertools
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import plotly.io
import pytest
from PIL import Image
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab import derivations, experiments
from vrrae_lab.bottlenecks import FixedBasis
from vrrae_lab.train import History
from vrrae_lab.validation_beta import BetaEvent

SHAPE = (8, 8, 1)


def picture(html):
    address = re.search(r'src="data:image/png;base64,([^"]+)"', html)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address))).convert("RGB"))


def test_a_data_set_is_a_line_and_a_row_of_its_images():
    data = vl.data.digits()
    assert repr(data) == "digits_train: 1,437 images of 8 × 8 × 1 · 10 classes · values 0 to 1"
    html = data._repr_html_()
    assert "digits_train" in html and "1,437 images" in html
    seen = picture(html)
    assert seen.shape == (8, 16 * 9 - 1, 3)
    ink = 255 - np.round(255 * data.x[3, ..., 0])
    assert np.abs(seen[:, 27:35, 0].astype(int) - ink).max() <= 1


@pytest.mark.parametrize(
    "x, labels, words",
    [
        (np.zeros((3, 8, 8, 3), np.uint8), None, "3 images of 8 × 8 × 3 · bytes"),
        (np.zeros((1, 8, 8, 1), np.float32), np.zeros(1, int), "1 image of 8 × 8 × 1 · 1 class · values 0 to 0"),
        (np.zeros((4, 8, 8, 2), np.float32), np.zeros((4, 40)), "labels 4 × 40"),
        (np.full((4, 8, 8, 1), np.nan, np.float32), np.array(list("abca")), "3 classes · values nan to nan"),
    ],
)
def test_data_of_every_kind_show_themselves(x, labels, words):
    data = vl.data.Dataset("own <data>", x, labels)
    assert words in repr(data)
    assert "own &lt;data&gt;" in data._repr_html_()
    assert ("<img" in data._repr_html_()) == (x.shape[3] in (1, 3) and np.isfinite(x).all())


def made(name, **sizes):
    with linear_nets():
        return getattr(vl, name)(SHAPE, **sizes, key=jax.random.key(0))


@pytest.mark.parametrize(
    "name, sizes, steps",
    [
        ("ae", {"latent_size": 3}, ["y →", "decoder"]),
        ("vae", {"latent_size": 3}, ["y →", "μ, s", "z ~ N(μ, s²)", "decoder"]),
        ("rrae", {"latent_size": 4, "rank": 2}, ["SVD, rank 2", "decoder"]),
        ("vrrae", {"latent_size": 4, "rank": 2}, ["SVD, rank 2", "μ, s", "z ~ N(μ, s²)"]),
        ("irmae", {"latent_size": 4, "num_matrices": 3}, ["3 linear layers"]),
        ("sparse_ae", {"latent_size": 4}, ["sigmoid"]),
    ],
)
def test_a_model_says_its_kind_its_size_and_its_steps(name, sizes, steps):
    model = made(name, **sizes)
    count = f"{vl.models.num_parameters(model):,} parameters"
    assert repr(model).startswith(f"{model.name}: images of 8 × 8 × 1 · {count}")
    html = model._repr_html_()
    places = [html.index(step) for step in ["x →", "encoder", *steps, "x̂"]]
    assert places == sorted(places) and count in html


def test_the_papers_nets_say_how_many_latents_they_have():
    assert "y, 3 numbers" in vl.ae(SHAPE, 3, key=jax.random.key(0))._repr_html_()


def test_a_model_says_whether_its_basis_is_frozen():
    model = made("vrrae", latent_size=4, rank=2)
    assert "basis of each batch: call freeze_basis" in repr(model)
    basis = FixedBasis(jnp.eye(4)[:, :2])
    frozen = eqx.tree_at(lambda m: m.bottleneck, model, model.bottleneck.on_basis(basis))
    assert repr(frozen).endswith("basis frozen") and "projection, rank 2" in frozen._repr_html_()
    by_hand = vl.Autoencoder(model.encoder, model.bottleneck, model.decoder, SHAPE)
    assert by_hand.name == "model" and repr(by_hand).startswith("model: ")


@pytest.fixture
def in_a_notebook(monkeypatch):
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")


def history(steps=5):
    return History({"loss": np.arange(steps, 0, -1.0), "kl": np.ones(steps)}, "finished", 2.0, 1.0)


def test_a_history_is_its_curves(in_a_notebook):
    bundle = history()._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/plain"] == "History(finished at step 5, loss 1, kl 1; 3.0 s)"
    data = bundle["application/vnd.plotly.v1+json"]["data"]
    assert {trace["name"] for trace in data} >= {"loss", "kl"}
    assert history(0)._repr_mimebundle_() == {"text/plain": repr(history(0))}


def test_the_weight_that_a_callback_sets_is_a_curve(in_a_notebook):
    callback = vl.ValidationBeta(np.zeros((10, *SHAPE), np.float32), every=5)
    assert repr(callback) == "ValidationBeta: every 5 steps on 10 images · not set yet"
    assert callback._repr_mimebundle_() == {"text/plain": repr(callback)}
    callback.log += [BetaEvent(5, 0.5), BetaEvent(10, 0.25)]
    assert repr(callback).endswith("β = 0.25 since step 10")
    assert "application/vnd.plotly.v1+json" in callback._repr_mimebundle_(include=None)


def test_checkpoints_say_where_they_are_and_which_is_the_newest(tmp_path):
    checkpoints = vl.Checkpoints(tmp_path / "run", every=50)
    assert repr(checkpoints) == f"Checkpoints: {tmp_path / 'run'}, every 50 steps · 0 files, none yet"
    checkpoints.save(1200, {"a": np.zeros(2)}, {}, {})
    assert repr(checkpoints).endswith("1 file, the newest at step 1,200")
    assert "every 50 steps" in checkpoints._repr_html_()


def test_a_claim_is_its_sentence_with_latex_and_all_claims_are_a_table():
    claim = derivations.by_number(1)
    shown = claim._repr_markdown_()
    assert claim.statement in shown and claim.explanation in shown and "$" in shown
    assert repr(claim) == f"Claim 1, {claim.name}: {claim.verdict}"
    claims = derivations.CLAIMS
    assert len(claims._repr_markdown_().splitlines()) == len(claims) + 2
    assert repr(claims).startswith(f"{len(claims)} claims: ")
    outcome = derivations.check(claim, key=jax.random.key(0))
    assert derivations.findings_table(outcome) in outcome._repr_markdown_()
    assert "supports the verdict" in repr(outcome)


@pytest.mark.parametrize("name", ["bumps", "zoo_fast", "bandwidth_table"])
def test_a_record_is_the_table_of_its_study(name):
    record = experiments.shipped_record(name)
    assert isinstance(record, experiments.Record)
    table = experiments.EXPERIMENTS[record["experiment"]].table(record).splitlines()
    *head, blank = record._repr_markdown_().splitlines()[: -len(table)]
    shown = record._repr_markdown_().splitlines()[-len(table) :]
    assert head == [repr(record)] and not blank and len(repr(record)) < 300
    assert [line.removesuffix("  ") for line in shown] == table
    text = [line for line, after in itertools.pairwise(shown) if line and after and not (line + after).startswith("|")]
    assert all(line.endswith("  ") for line in text)  # a line each in Markdown, too


def test_the_record_of_a_model_and_a_stranger_show_a_line():
    assert repr(experiments.Record({"a": 1})) == "Record of a model: 1 entries"
    assert experiments.Record(experiment="unknown")._repr_markdown_() == "Record of unknown: 1 entries"

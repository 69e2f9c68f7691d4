import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from glue.catalog.desired import Declared, desired_objects, plain
from glue.catalog.files import load
from glue.catalog.plan import make_plan
from glue.errors import ConfigInvalid

YAML_ = YAML(typ="safe")


@pytest.fixture
def folder(tmp_path):
    for name in ("config", "lago", "keycloak-realm"):
        shutil.copytree(name, tmp_path / name)
    return tmp_path


def change(file: Path, edit):
    document = YAML_.load(file.read_text())
    edit(document)
    with file.open("w") as stream:
        YAML_.dump(document, stream)


def test_the_declared_product_is_complete(folder):
    declaration = load(folder)
    assert [tier.code for tier in declaration.tiers] == ["free", "pro", "team"]
    kinds = {(item.system, item.kind) for item in desired_objects(declaration, {})}
    assert ("keygen", "policy") in kinds
    assert ("keycloak", "client") in kinds
    assert ("lago", "plan entitlements") in kinds


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda plan: plan.update(minimum_commitment={"amount_cents": 5000}), "minimum_commitment"),
        (lambda plan: plan.update(usage_thresholds=[{"amount_cents": 1}]), "usage_thresholds"),
        (lambda plan: plan["charges"][0].update(pay_in_advance=True), "charges.0.pay_in_advance"),
        (lambda plan: plan["charges"][0].update(charge_model="graduated_percentage"), "charges.0.charge_model"),
        (lambda plan: plan["charges"][0].update(invoiceable=False), "charges.0.invoiceable"),
        (lambda plan: plan["charges"][0].update(min_amount_cents=100), "charges.0.min_amount_cents"),
        (lambda plan: plan["charges"][0].pop("properties"), "charges.0.properties"),
        (lambda plan: plan.update(interval="yearly", bill_charges_monthly=True), "bill_charges_monthly"),
        (lambda plan: plan["charges"][0].update(billable_metric_code="nothing"), "charges.0"),
        (lambda plan: plan.pop("amount_cents"), "amount_cents"),
        (lambda plan: plan.update(code="other"), "code"),
    ],
)
def test_what_free_lago_would_drop_or_punish_is_refused_by_name(folder, edit, place):
    change(folder / "lago/plans/team_usd_monthly_1.yaml", edit)
    with pytest.raises(ConfigInvalid) as caught:
        load(folder)
    assert caught.value.fields["place"] == place
    assert "team_usd_monthly_1.yaml" in caught.value.detail


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda tier: tier.update(seats="many"), "seats"),
        (lambda tier: tier.update(colour="red"), "colour"),
        (lambda tier: tier.update(trial_days=7), "trial"),
        (lambda tier: tier["plans"][0].update(currency="EUR"), "currency"),
        (lambda tier: tier["plans"][0].update(code="gone_usd_monthly_1"), "gone_usd_monthly_1"),
        (lambda tier: tier["features"].update(teleport=True), "teleport"),
        (lambda tier: tier.update(code="free"), "same code"),
    ],
)
def test_a_wrong_tier_file_is_named_with_the_place(folder, edit, words):
    change(folder / "config/tiers/pro.yaml", edit)
    with pytest.raises(ConfigInvalid, match=words):
        load(folder)


def test_broken_files_are_named(folder):
    (folder / "lago/features.yaml").write_text("- code: [")
    with pytest.raises(ConfigInvalid, match="features.yaml"):
        load(folder)
    shutil.copy("lago/features.yaml", folder / "lago/features.yaml")
    (folder / "keycloak-realm/glue-realm.json").write_text("{")
    with pytest.raises(ConfigInvalid, match="glue-realm.json"):
        load(folder)


def test_a_folder_without_tiers_says_which_setting_to_mend(tmp_path):
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path)
    assert "cannot be read" in caught.value.detail or "GLUE_CONFIG_DIR" in caught.value.remedy or "no tiers" in caught.value.detail


def item(kind="plans", key="p", **fields):
    return Declared("lago", kind, key, dict(plain(fields)), fields)


def test_equal_objects_need_no_change():
    wanted = item(amount_cents=2900, charges={"api": {"charge_model": "standard", "properties": {"amount": "0.10"}}})
    there = dict(
        plain({"amount_cents": "2900", "charges": {"api": {"charge_model": "standard", "properties": {"amount": "0.1"}}}, "extra": 1})
    )
    assert not make_plan([wanted], {("lago", "plans", "p"): there}).changes


def test_an_extra_charge_upstream_is_a_difference():
    wanted = item(charges={"api": {"charge_model": "standard"}})
    there = {"charges": {"api": {"charge_model": "standard"}, "other": {"charge_model": "standard"}}}
    plan = make_plan([wanted], {("lago", "plans", "p"): there})
    assert [d.place for d in plan.changes[0].differences] == ["charges.other"]


def test_a_price_change_of_a_plan_in_use_is_refused():
    plan = make_plan([item(amount_cents=3900)], {("lago", "plans", "p"): {"amount_cents": "2900"}}, plans_in_use=frozenset({"p"}))
    assert "new plan code" in plan.changes[0].refusal
    unused = make_plan([item(amount_cents=3900)], {("lago", "plans", "p"): {"amount_cents": "2900"}})
    assert not unused.changes[0].refusal


def test_a_metric_cannot_change_how_it_counts():
    plan = make_plan(
        [item("billable_metrics", "m", aggregation_type="max_agg")], {("lago", "billable_metrics", "m"): {"aggregation_type": "sum_agg"}}
    )
    assert "Declare a new code" in plan.changes[0].refusal


def test_what_is_not_declared_is_listed_and_left_alone():
    plan = make_plan([], {("lago", "plans", "old"): {}})
    assert (plan.changes, plan.undeclared) == ((), ("lago plans old",))


def test_the_digest_is_of_what_would_be_done():
    before = {("lago", "plans", "p"): {"amount_cents": "2900"}}
    first, again = (make_plan([item(amount_cents=3900)], before).digest for _ in range(2))
    other = make_plan([item(amount_cents=4900)], before).digest
    assert first == again != other
    assert json.dumps(make_plan([item(amount_cents=3900)], before).as_json())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(values)
def test_normal_form_is_stable(value):
    assert plain(plain(value)) == plain(value)

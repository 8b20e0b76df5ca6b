"""The package and the name of a job: the same for the same job, another for any other."""

import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai.capabilities import builtin_capabilities
from cloudai.errors import BudgetExceeded, InvalidInput, TooLarge
from cloudai.ledger.bounds import bound_of
from cloudai.training.machines import choose_machine, refuse_above
from cloudai.training.package import SETTLED_NS, Listed, _hash_of, masked, pack, prepare, submission_name
from cloudai.types.custom import Accelerator, TrainingJob
from cloudai.types.results import Money


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    (folder / "lib").mkdir(parents=True)
    (folder / "train.py").write_text("print('x')")
    (folder / "lib" / "net.py").write_text("A = 1")
    for ignored in (".git/config", "__pycache__/a.pyc", "data/big.bin", "notes.tmp"):
        (folder / ignored).parent.mkdir(exist_ok=True)
        (folder / ignored).write_text("no")
    (folder / ".cloudaiignore").write_text("# mine\ndata/\n*.tmp\n")
    return folder


def job(source: Path, **fields: object) -> TrainingJob:
    return TrainingJob.model_validate({"name": "x", "script": "train.py", "source": str(source)} | fields)


def test_the_archive_is_the_same_bytes_whenever_it_is_made(source: Path) -> None:
    first = pack(job(source)).targz
    for path in source.rglob("*"):
        os.utime(path, (1, 1))
    assert pack(job(source)).targz == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        names = archive.getnames()
        assert {entry.mtime for entry in archive} == {0}
    mine = [name for name in names if not name.startswith(".cloudai/")]
    assert mine == [".cloudaiignore", "cloudai_job.json", "cloudai_runner.py", "lib/net.py", "train.py"]
    assert names == sorted(names)


def test_links_out_of_the_folder_are_left_out(source: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (source / "link.txt").symlink_to(tmp_path / "secret.txt")
    (source / "up").symlink_to(tmp_path)
    assert b"secret" not in b"".join(pack(job(source)).files.values()).replace(b"SECRET", b"")


def test_too_much_source_is_refused_with_what_to_do(source: Path) -> None:
    with pytest.raises(TooLarge, match="cloudaiignore"):
        pack(job(source), max_bytes=5)


CHANGES = (
    {"hyperparameters": {"rate": 1}}, {"hyperparameters": {"rate": "1"}}, {"hyperparameters": {"rate": 1.5}},
    {"environment": {"A": "1"}}, {"nodes": 2}, {"spot": True}, {"framework": "pytorch"}, {"image": "a/b"},
    {"max_seconds": 5}, {"accelerator": Accelerator(name="L4", count=1)}, {"tags": {"cloudai-again": "1"}},
    {"inputs": {"train": "s3://b/x"}}, {"inputs": {"test": "s3://b/x"}}, {"output": "s3://b/o"},
    {"script": "lib/net.py"},
)  # fmt: skip


def test_every_part_of_a_job_is_in_its_name(source: Path) -> None:
    names = [submission_name(job(source)), *(submission_name(job(source, **change)) for change in CHANGES)]
    assert len(set(names)) == len(names)
    same = [{"tags": {"team": "a"}}, {"max_cost": Money(amount="5")}]
    assert {submission_name(job(source, **change)) for change in same} == {names[0]}


def test_files_and_data_are_in_the_name_and_where_they_lie_is_not(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("1")
    before = submission_name(job(source, inputs={"train": str(data)}))
    moved, moved_data = tmp_path / "elsewhere", tmp_path / "data2"
    source.rename(moved)
    data.rename(moved_data)
    assert submission_name(job(moved, inputs={"train": str(moved_data)})) == before
    (moved_data / "a.csv").write_text("2")
    changed = submission_name(job(moved, inputs={"train": str(moved_data)}))
    (moved / "lib" / "net.py").write_text("A = 2")
    assert len({before, changed, submission_name(job(moved, inputs={"train": str(moved_data)}))}) == 3


def test_data_that_lies_still_is_read_once_and_data_that_changes_again(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1,2")
    wanted = job(source, inputs={"train": str(file)})
    names = [submission_name(wanted)]
    file.write_text("1,3")
    names.append(submission_name(wanted))  # at once: perhaps within one tick of the clock
    time.sleep(SETTLED_NS / 1e9 + 0.1)
    hits = _hash_of.cache_info().hits
    names += [submission_name(wanted) for _ in range(3)]
    assert _hash_of.cache_info().hits == hits + 2
    before = file.stat()
    file.write_text("1,4")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    names.append(submission_name(wanted))
    assert names[1] == names[2] == names[3] == names[4]
    assert len({names[0], names[1], names[5]}) == 3


def test_remote_inputs_are_listed_by_whoever_can(source: Path) -> None:
    given = job(source, inputs={"train": "s3://b/x"})
    one = prepare(given, lister=lambda address: [Listed(name=f"{address}/a", size=1, hash="etag1")])
    other = prepare(given, lister=lambda address: [Listed(name=f"{address}/a", size=1, hash="etag2")])
    assert one.data["train"][0].hash == "etag1"
    assert len({one.name, other.name, prepare(given).name}) == 3


@settings(max_examples=60, deadline=None)
@given(name=st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9-]{0,62}\Z"))
def test_a_name_is_valid_on_every_platform(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "valid"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text("1")
    made = submission_name(TrainingJob(name=name, script="train.py", source=str(folder)))
    assert len(made) <= 63
    assert all(c.isascii() and (c.isalnum() or c == "-") for c in made)
    assert made[0].isalpha()
    assert made[-1].isalnum()


def test_values_of_secrets_are_masked() -> None:
    given = {"API_KEY": "a", "my_token": "b", "MODE": "c", "DB_PASSWORD": "d"}
    assert masked(given) == {"API_KEY": "***", "my_token": "***", "MODE": "c", "DB_PASSWORD": "***"}


@pytest.mark.parametrize(
    ("provider", "accelerator", "instance", "instances"),
    [
        ("aws", Accelerator(name="L4", count=4), "ml.g6.12xlarge", 1),
        ("gcp", Accelerator(name="L4", count=4), "g2-standard-48", 1),
        ("azure", Accelerator(name="T4", count=1), "Standard_NC4as_T4_v3", 1),
        ("aws", Accelerator(name="H100", count=16), "ml.p5.48xlarge", 2),
        ("aws", Accelerator(name="none", instance="ml.g6.12xlarge"), "ml.g6.12xlarge", 1),
    ],
)
def test_the_neutral_accelerator_is_an_instance_of_each_cloud(
    source: Path, provider: str, accelerator: Accelerator, instance: str, instances: int
) -> None:
    chosen = choose_machine(provider, None, job(source, accelerator=accelerator, max_seconds=1800))
    assert (chosen.instance, chosen.instances) == (instance, instances)
    assert chosen.hourly is not None
    assert chosen.at_limit is not None
    assert chosen.at_limit.amount * 2 == pytest.approx(chosen.hourly.amount)


def test_a_price_that_is_not_known_is_none_and_refused_under_a_limit(source: Path) -> None:
    given = job(source, accelerator=Accelerator(instance="ml.unheard.large"), max_cost=Money(amount="5"))
    chosen = choose_machine("aws", "us-east-1", given)
    assert (chosen.instance, chosen.hourly, chosen.at_limit) == ("ml.unheard.large", None, None)
    assert chosen.notices[0].code == "price_unknown"
    with pytest.raises(BudgetExceeded, match="what an hour costs is not known"):
        refuse_above(given, chosen.at_limit)
    elsewhere = choose_machine("aws", "eu-north-1", job(source, accelerator=Accelerator(name="L4", count=4)))
    assert (elsewhere.instance, elsewhere.hourly) == ("ml.g6.12xlarge", None)


def test_an_accelerator_that_nobody_has_is_refused_with_what_there_is(source: Path) -> None:
    with pytest.raises(InvalidInput, match=r"there are .*L4"):
        choose_machine("aws", None, job(source, accelerator=Accelerator(name="Z9000", count=1)))


def test_a_budget_holds_a_training_job_at_its_time_limit(source: Path) -> None:
    shipped = builtin_capabilities()
    given = job(source, accelerator=Accelerator(name="L4", count=4), max_seconds=1800, nodes=2)
    bound = bound_of(shipped["aws"], "us-east-1", "custom.train", given)
    assert (bound.amount, bound.usage) == (5_752_000, {"custom.train": 1})
    assert bound_of(shipped["azure"], "eastus", "custom.train", given).amount is None  # no L4 there
    assert bound_of(shipped["local"], None, "custom.train", given).amount == 0

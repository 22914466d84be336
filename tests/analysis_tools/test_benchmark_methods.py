"""The methods of a table take turns in one process, in their second step."""

BENCHMARK = "digits-task_5"


def test_table(tool, tmp_path, capsys):
    options = [f"data_root={tmp_path}", f"data_preparation.root={tmp_path}"]
    few = ["--rounds", "1", "--iterations", "1", "--cfg-options", *options]

    def rows(*arguments):
        tool.main([*arguments, *few])
        lines = capsys.readouterr().out.split("|---|---|---|---|---|")[1].splitlines()[1:]
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]

    found = rows(*(f"{method}_{BENCHMARK}" for method in ("finetune", "lwf", "vdfd")))
    assert [row[0] for row in found] == ["FineTune", "LwF", "VDFD"]
    assert float(found[0][2]) == 1.0
    assert all(float(row[1]) > 0 and row[4] == "not measured" for row in found)
    assert found[0][3] == "0 B" and found[1][3].endswith("KiB")
    assert rows(f"finetune_{BENCHMARK}", "--memory")[0][4].endswith(("MiB", "GiB"))


def test_it_is_the_second_step_with_what_the_first_left(tool, tmp_path):
    options = {"data_root": str(tmp_path), "data_preparation.root": str(tmp_path)}
    contender = tool.prepared(f"vdfd_{BENCHMARK}", options, None)
    assert len(contender.learner.method.penalty.sizes) == 1
    before = [p.clone() for p in contender.learner.network.parameters()]
    contender.iterate(1)
    assert any((p != q).any() for p, q in zip(contender.learner.network.parameters(), before))

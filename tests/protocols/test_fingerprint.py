import dataclasses
import itertools

import pytest

from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.cifar import CLASSES


def cifar(**rules):
    return build_protocol({"type": "CIFAR100", **rules})


class TestSegmentation:
    def voc(self, **changes):
        return build_protocol({"type": "VOC", "split": "10-5", **changes})

    def test_every_rule_changes_it(self):
        names = list(self.voc().classes[1:])
        # Exchanged between tasks, and within one.
        orders = [names[-1:] + names[1:-1] + names[:1], [names[1], names[0], *names[2:]]]
        changes = (
            {},
            {"setting": "disjoint"},
            {"unseen": "ignore"},
            {"average": "all"},
            {"validation": 0.1},
            *({"order": order} for order in orders),
            {"split": "5-5"},
        )
        prints = [self.voc(**change).fingerprint() for change in changes]
        prints.append(self.voc().fingerprint("other images"))
        assert len(set(prints)) == len(changes) + 1

    def test_domain_rules_change_it(self):
        def prints(**changes):
            cfg = {"type": "Cityscapes", "split": "11-5", **changes}
            return build_protocol(cfg).fingerprint()

        found = [prints(), prints(domain_split="published"), prints(test_share=0.3),
                 prints(split="11-1")]  # fmt: skip
        assert len(set(found)) == 4

    def test_names_and_palette_do_not_change_it(self):
        protocol = self.voc()
        tasks = tuple(dataclasses.replace(t, name=f"renamed {t.name}") for t in protocol.tasks)
        other = dataclasses.replace(protocol, name="other", palette=(), tasks=tasks)
        assert other.fingerprint() == protocol.fingerprint()

    def test_spelling_of_the_same_rules_does_not_change_it(self):
        expected = self.voc().fingerprint()
        assert self.voc(validation=0).fingerprint() == expected
        assert self.voc(setting="overlap", order=list(self.voc().classes[1:])).fingerprint() == (
            expected
        )

    @pytest.mark.parametrize(
        ("cfg", "expected"),
        [
            ({"type": "VOC", "split": "10-5", "setting": "overlap"}, "da600e18389ca2b9"),
            ({"type": "Cityscapes", "split": "11-5"}, "b7325220417ff087"),
        ],
    )
    def test_those_of_segmentation_are_from_before_there_was_classification(self, cfg, expected):
        assert build_protocol(cfg).fingerprint("") == expected


class TestClassification:
    def test_everything_that_changes_a_result_changes_it(self):
        variants = [
            cifar(),
            cifar(scenario="class"),
            cifar(tasks=20),
            cifar(num_classes=50),
            cifar(order=CLASSES[::-1]),
            # The same tasks, but other labels within one.
            cifar(order=(CLASSES[1], CLASSES[0], *CLASSES[2:])),
            cifar(validation=0.1),
        ]
        found = [protocol.fingerprint("") for protocol in variants]
        for one, two in itertools.combinations(found, 2):
            assert one != two
        assert cifar().fingerprint("a") != cifar().fingerprint("b")

"""Runs the tests of some files of this folder, and writes a line of JSON for each: {name, ok, said}.

    python3 run.py RESULTS FILE…
"""

import json
import sys
import unittest
from pathlib import Path


class Lines(unittest.TextTestResult):
    lines = None

    def _say(self, test, said=""):
        # A failure of a class's own setting up is of no test; it is said under its name.
        print(json.dumps({"name": test.id(), "ok": said == "", "said": said}), file=self.lines, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._say(test)

    def addError(self, test, error):
        super().addError(test, error)
        self._say(test, self._exc_info_to_string(error, test))

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._say(test, self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._say(test, self._exc_info_to_string(error, test))


def main():
    results, *names = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parent))
    with open(results, "w") as lines:
        Lines.lines = lines
        suite = unittest.defaultTestLoader.loadTestsFromNames([Path(name).stem for name in names])
        unittest.TextTestRunner(sys.stderr, resultclass=Lines, verbosity=2).run(suite)


if __name__ == "__main__":
    main()

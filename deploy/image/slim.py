#!/usr/bin/env python3
"""Takes the kernel modules away that deploy/image/left-out names: deploy/image/slim.py FOLDER LEFT-OUT, with modules.dep made."""
import os
import sys


def main():
    base, rules = sys.argv[1:]
    out, kept = [], []
    with open(rules, encoding="ascii") as file:
        for line in file:
            line = line.strip()
            if line and not line.startswith("#"):
                (kept if line.startswith("+") else out).append("kernel/" + line.lstrip("+"))
    needs = {}
    with open(os.path.join(base, "modules.dep"), encoding="ascii") as file:
        for line in file:
            path, rest = line.split(":")
            needs[path] = rest.split()

    def under(path, folders):
        return any(path.startswith((folder + "/", folder + ".ko")) for folder in folders)
    stays = {path for path in needs if not under(path, out) or under(path, kept)}
    # modules.dep names everything that a module needs, also indirectly.
    stays |= {need for path in stays for need in needs[path]}
    for path in needs:
        if path not in stays:
            os.remove(os.path.join(base, path))
    for folder, _, _ in os.walk(os.path.join(base, "kernel"), topdown=False):
        if not os.listdir(folder):
            os.rmdir(folder)
    print(f"kernel: {len(stays)} of {len(needs)} modules", file=sys.stderr)


main()

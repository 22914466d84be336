#!/bin/sh
# Is everything here that the two commands need and pip cannot install?
#
#   sh tools/check_system.sh [PYTHON]
#
# Prints nothing and exits 0 if so; otherwise says what is missing and how to get it,
# and exits 2. Looks for a Python of at least 3.10 with venv and ensurepip, and for
# the shared libraries that opencv-python's Linux wheel loads and does not bring:
# Qt, inside it, wants OpenGL and GLib; FFmpeg, inside it, wants XCB.

python=${1:-python3}

fail() {
    printf 'vdfd_seg: error: %s\n' "$1" >&2
    exit 2
}

distribution=unknown
if [ -r /etc/os-release ]; then
    # A subshell, so that the file's variables do not land among ours.
    case " $(. /etc/os-release; echo "$ID $ID_LIKE") " in
        *" debian "* | *" ubuntu "*) distribution=debian ;;
        *" fedora "* | *" rhel "* | *" centos "*) distribution=fedora ;;
    esac
fi

if ! command -v "$python" >/dev/null 2>&1; then
    case $distribution in
        # Nothing can be probed without it, so name all that a bare system lacks.
        debian) hint="Install what is needed (as root): apt-get install python3 python3-venv libgl1 libglib2.0-0 libxcb1" ;;
        fedora) hint="Install what is needed (as root): dnf install python3 libglvnd-glx glib2 libxcb" ;;
        *) hint="Install Python 3.10 or newer, with venv." ;;
    esac
    fail "no '$python' here. $hint
Another interpreter can be named: make PYTHON=/path/to/python3"
fi

found=$("$python" - <<'PROBE'
import sys

if sys.version_info < (3, 10):
    print("old %d.%d" % sys.version_info[:2])
    sys.exit()

try:
    import ensurepip
    import venv
except ImportError:
    print("venv %d.%d" % sys.version_info[:2])

if sys.platform == "linux":
    import ctypes
    import platform

    libc, version = platform.libc_ver()
    if libc != "glibc":
        print("libc")
    elif tuple(int(part) for part in version.split(".")[:2]) < (2, 28):
        print("glibc %s" % version)
    for name in (
        "libGL.so.1",
        "libglib-2.0.so.0",
        "libgthread-2.0.so.0",
        "libxcb.so.1",
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libz.so.1",
    ):
        try:
            ctypes.CDLL(name)
        except OSError:
            print("lib %s" % name)
PROBE
) || fail "'$python' does not run."

[ -z "$found" ] && exit 0

missing=
packages=
want() { # a package for apt-get, then one for dnf
    case $distribution in
        debian) add=$1 ;;
        fedora) add=$2 ;;
        *) add= ;;
    esac
    case " $packages " in
        *" $add "*) ;;
        *) packages="$packages $add" ;;
    esac
}
lacks() {
    missing="$missing
  - $1"
}

# A here-document, not a pipe: the loop has to set variables of this shell.
while read -r kind what; do
    case $kind in
        old)
            fail "Python 3.10 or newer is needed, '$python' is Python $what.
Name a newer one: make PYTHON=/path/to/python3" ;;
        libc)
            fail "the wheels of torch and opencv-python need glibc, which this system does not use (musl?)." ;;
        glibc)
            fail "the wheels of torch and opencv-python need glibc 2.28 or newer, this system has $what." ;;
        venv)
            lacks "the modules venv and ensurepip of $python"
            want "python$what-venv" python3 ;;
        lib)
            lacks "the shared library $what, which opencv-python's wheel loads"
            # On newer Debian and Ubuntu libglib2.0-0 is called libglib2.0-0t64;
            # apt-get knows it by both names.
            case $what in
                libGL.*) want libgl1 libglvnd-glx ;;
                libglib-* | libgthread-*) want libglib2.0-0 glib2 ;;
                libxcb.*) want libxcb1 libxcb ;;
                libstdc++.*) want libstdc++6 libstdc++ ;;
                libgcc_s.*) want libgcc-s1 libgcc ;;
                libz.*) want zlib1g zlib ;;
            esac ;;
    esac
done <<FOUND
$found
FOUND

case $distribution in
    debian) hint="Install (as root): apt-get install$packages" ;;
    fedora) hint="Install (as root): dnf install$packages" ;;
    *) hint="Install them with this system's package manager." ;;
esac
fail "this system lacks:$missing
$hint"

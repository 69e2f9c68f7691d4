"""A filter of system calls for the sandbox: those that no honest step needs answer "not permitted". Classic BPF, built here."""

import platform
import struct

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _NOT_PERMITTED = 0x7FFF0000, 0x80000000, 0x00050001
_X32 = 0x40000000  # a second numbering of the same calls on x86_64
# ptrace, process_vm_readv/writev, mount, umount2, pivot_root, unshare, setns, keyctl, add_key, request_key, bpf,
# perf_event_open, userfaultfd, kexec_load, init_module, delete_module, open_by_handle_at, reboot, swapon, io_uring_setup
_REFUSED = {
    "x86_64": (0xC000003E, (101, 310, 311, 165, 166, 155, 272, 308, 250, 248, 249, 321, 298, 323, 246, 175, 176, 304, 169, 167, 425)),
    "aarch64": (0xC00000B7, (117, 270, 271, 40, 39, 41, 97, 268, 219, 217, 218, 280, 241, 282, 104, 105, 106, 265, 142, 224, 425)),
}


def build_filter() -> bytes | None:
    """The program for this machine, as bubblewrap's ``--seccomp`` reads it; None for a machine we have no numbers for."""
    if (known := _REFUSED.get(platform.machine())) is None:
        return None
    architecture, calls = known
    program = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_JUMP_GREATER_EQUAL, len(calls) + 1, 0, _X32),
        *((_JUMP_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOT_PERMITTED),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)

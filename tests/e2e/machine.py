"""The guest as a machine: switched on, given commands, cut from its power."""
import json
import os
import shutil
import socket
import subprocess
import threading
import time


# All time-outs are for two cores with nothing else to do; on a busy machine they are multiplied by this.
PATIENCE = float(os.environ.get("E2E_PATIENCE", "1"))


class Failure(Exception):
    """A proof that did not come."""


class Crashed(Exception):
    """The guest's kernel has panicked, or QEMU has ended: no proof of anything, for tallycam or against it."""


def wait_for(what, check, timeout):
    """Calls `check` twice a second until it gives something true, which is returned; Failure after `timeout` seconds."""
    until = time.monotonic() + timeout * PATIENCE
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > until:
            raise Failure(f"{what}: not within {timeout * PATIENCE:.0f} s")
        time.sleep(0.5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """QEMU without KVM on an overlay of DIRECTORY/disk.ext4.

    DIRECTORY/share is /share in the guest. The guest's ports 80 and 8080 are `ports[80]` and `ports[8080]` here.
    """

    def __init__(self, directory):
        self.directory = directory
        self.share = os.path.join(directory, "share")
        self.overlay = os.path.join(directory, "disk.qcow2")
        self.console = os.path.join(directory, "console.log")
        self.ports = {80: free_port(), 8080: free_port()}
        self.qemu = None
        self.agent = None
        self.answers = {}
        self.answered = threading.Condition()
        self.asked = 0
        os.makedirs(self.share, exist_ok=True)

    def new_disk(self):
        """A disk as after the installation of Debian."""
        image = os.path.join(self.directory, "disk.ext4")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "raw", self.overlay], check=True)

    def forwards(self):
        """What QEMU's network is to bring from here into the guest."""
        return "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for there, here in self.ports.items())

    def command(self, door):
        """QEMU's command line; the guest's agent is to be spoken with at the socket `door`."""
        # A processor without fused multiply-add, which QEMU emulates in software: with it a detection of the network
        # takes a minute.
        return ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "1536M",
                "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
                "-kernel", os.path.join(self.directory, "vmlinuz"), "-initrd", os.path.join(self.directory, "initrd"),
                "-drive", f"file={self.overlay},format=qcow2,if=virtio,cache=writeback",
                "-netdev", "user,id=net" + self.forwards(), "-device", "virtio-net-pci,netdev=net,romfile=",
                "-virtfs", f"local,path={self.share},mount_tag=share,security_model=none",
                "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={door},server=on,wait=off",
                "-device", "virtserialport,chardev=agent,name=e2e", "-device", "virtio-rng-pci",
                "-append", "root=/dev/vda rw console=ttyS0 quiet loglevel=4 oops=panic panic=-1 systemd.show_status=0 "
                           "systemd.firstboot=no "
                           "systemd.mount-extra=share:/share:9p:trans=virtio,version=9p2000.L,msize=262144"]

    def switch_on(self):
        """Returns the seconds until it takes commands."""
        began = time.monotonic()
        door = os.path.join(self.directory, "agent.sock")
        if os.path.exists(door):
            os.remove(door)
        with open(self.console, "ab") as console:
            self.qemu = subprocess.Popen(self.command(door), stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.agent = socket.socket(socket.AF_UNIX)
        wait_for("QEMU", lambda: self.qemu.poll() is not None or os.path.exists(door), 20)
        if self.qemu.poll() is not None:
            raise Failure(f"QEMU ended; see {self.console}")
        self.agent.connect(door)
        self.answers.clear()
        threading.Thread(target=self._listen, args=(self.agent,), daemon=True).start()
        # The greeting can be lost while the serial port is being set up, so it is requested.
        until = began + 240 * PATIENCE
        with self.answered:
            while not self.answered.wait_for(lambda: 0 in self.answers or self.has_crashed(), 15):
                if time.monotonic() > until:
                    raise Failure(f"the guest did not start; see {self.console}")
                self.agent.sendall(b'{"id": 0, "run": "true", "timeout": 10}\n')
        self.must_live()
        return time.monotonic() - began

    def has_crashed(self):
        """Whether it is off though nobody has switched it off: a panic ends QEMU, too."""
        return self.qemu is not None and self.qemu.poll() is not None

    def must_live(self):
        if self.has_crashed():
            shutil.copy(self.console, self.console + ".crashed")
            raise Crashed(f"the guest's kernel has crashed; its last words are in {self.console}.crashed")

    def _listen(self, agent):
        with agent.makefile("rb") as lines:
            for line in lines:
                try:
                    answer = json.loads(line)
                except ValueError:
                    continue
                with self.answered:
                    self.answers[answer["id"]] = answer
                    self.answered.notify_all()
        # Waiting callers learn that there will be no answer, once QEMU has ended as well.
        qemu = self.qemu
        if qemu:
            try:
                qemu.wait(10)
            except subprocess.TimeoutExpired:
                pass
        with self.answered:
            self.answered.notify_all()

    def ask(self, command, timeout=60):
        """Carries out `command` in bash as root; its exit code and what it printed."""
        timeout *= PATIENCE
        with self.answered:
            self.asked += 1
            number = self.asked
        self.must_live()
        self.agent.sendall(json.dumps({"id": number, "run": command, "timeout": timeout}).encode() + b"\n")
        with self.answered:
            there = self.answered.wait_for(lambda: number in self.answers or self.has_crashed(), timeout + 30)
            self.must_live()
            if not there:
                raise Failure(f"the guest did not answer: {command}")
            answer = self.answers.pop(number)
        return answer["code"], answer["out"].strip()

    def run(self, command, timeout=60):
        """As `ask`, for commands that must succeed; what it printed."""
        code, out = self.ask(command, timeout)
        if code != 0:
            raise Failure(f"`{command}` ended with {code}:\n{out}")
        return out

    def bring(self, path, name=None):
        """Puts a file of this machine into /share; its path there."""
        name = name or os.path.basename(path)
        shutil.copy(path, os.path.join(self.share, name))
        return "/share/" + name

    def cut_power(self):
        self.qemu.kill()
        self.qemu.wait()
        self.qemu = None
        self.agent.close()

    def wait_off(self, timeout):
        """Waits until it has switched itself off."""
        try:
            self.qemu.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"the guest is on still after {timeout * PATIENCE:.0f} s") from late
        self.qemu = None
        self.agent.close()

    def switch_off(self):
        """For the end of everything: nothing on its disk is needed any more."""
        if self.qemu and self.qemu.poll() is None:
            self.cut_power()

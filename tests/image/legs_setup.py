"""A card is set up by files on its first partition: the three forms of them, and what is wrong in them."""
import hashlib
import os
import subprocess

from machine import Failure, PATIENCE, wait_for

PASSWORD = "battery staple"
WIFI_PASSWORD = "a good old word"
# The hash of a Linux password, which is never asked for here.
CRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
# The machine's address in QEMU's own network, and the page's over Wi-Fi.
WIRED, ABOVE, RESOLVER, WIRELESS, BASE = "10.0.2.15", "10.0.2.2", "10.0.2.3", "192.168.77.2", "192.168.77.1"

# A second of the kernel's simulated radios, in its own network namespace, is the access point.
AIR = """
ip netns list | grep -q air || {
    modprobe mac80211_hwsim radios=2 || exit 9
    for _ in $(seq 100); do test -e /sys/class/net/wlan1 && break; sleep 0.1; done
    ip netns add air
    iw phy "$(cat /sys/class/net/wlan1/phy80211/name)" set netns name air
}
cat >/run/air.conf
ip -n air link set wlan1 up
ip -n air address replace %s/24 dev wlan1
ip netns exec air wpa_supplicant -B -q -i wlan1 -c /run/air.conf -P /run/air.pid
""" % BASE
# The page's first line, requested from the access point.
OVER_THE_AIR = ("ip netns exec air bash -c 'exec 3<>/dev/tcp/%s/80; printf \"GET /sign-in HTTP/1.1\\r\\nHost: %s\\r\\n"
                "Connection: close\\r\\n\\r\\n\" >&3; head -n 1 <&3'" % (WIRELESS, WIRELESS))


def begin(run, files):
    """A new card with these files on its first partition, switched on; seconds to the page."""
    machine = run.machine
    machine.switch_off()
    machine.brings.clear()
    machine.new_disk()
    return again(run, files)


def again(run, files):
    """The same card with these files, switched on again; None: the file is gone."""
    machine = run.machine
    machine.switch_off()
    for name, text in files.items():
        machine.put(name, text)
    run.site.password = PASSWORD
    after = machine.switch_on()
    run.settled()
    return after


def key(run):
    """A key for SSH; its public line."""
    path = os.path.join(run.machine.directory, "key")
    if not os.path.exists(path):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice@laptop", "-f", path], check=True)
    with open(path + ".pub", encoding="ascii") as file:
        return file.read().strip()


def ssh(run, user, command):
    said = subprocess.run(["ssh", "-F", "/dev/null", "-i", os.path.join(run.machine.directory, "key"), "-p", str(run.machine.ports[22]),
                           "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes",
                           "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", f"{user}@127.0.0.1", command],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=120 * PATIENCE)
    return said.stdout.strip()


def joins(run, ssid):
    """Has a network of this name in the air, and waits until the card has joined it."""
    if run.machine.ask("modinfo -n mac80211_hwsim")[0] != 0:
        raise Failure("this kernel has no mac80211_hwsim")
    point = (f"network={{\n\tssid={ssid.encode().hex()}\n\tmode=2\n\tfrequency=2412\n\tkey_mgmt=WPA-PSK\n\tproto=RSN\n\tpairwise=CCMP\n"
             f"\tpsk=\"{WIFI_PASSWORD}\"\n}}\n")
    run.guest(f"printf '%s' '{point}' | {{ {AIR} }}", 120)
    return wait_for(f"the Wi-Fi {ssid}", lambda: "wpa_state=COMPLETED" in (said := run.machine.ask(
        "wpa_cli -p /run/wpa_supplicant -i wlan0 status")[1]) and said, 120)


def report(run):
    return run.guest("cat /boot/firmware/tallycam-report.txt")


def diagnosis(run):
    """What the page's diagnosis says of the card."""
    items = run.site.json("/api/v1/diagnosis", timeout=120)["items"]
    return next(item["message"] for item in items if item["name"] == "card")


def setting(run, path):
    items = run.site.json("/api/v1/settings")["items"]
    return next(item["value"] for item in items if item["path"] == path)


def is_set_up(run, host, zone, user, ssid):
    """What all three forms say, seen in the machine and from outside."""
    machine = run.machine
    told = report(run)
    if "No mistakes." not in told:
        raise Failure(told)
    found = run.guest("cat /proc/sys/kernel/hostname; readlink /etc/localtime; ls -A /home")
    if found.split() != [host, "/usr/share/zoneinfo/" + zone, user]:
        raise Failure(f"{found!r}\n{told}")
    name = wait_for("the name in .local", lambda: machine.ask(f"journalctl -b -u avahi-daemon -o cat | grep -o 'Host name is {host}.local'")[1], 60)
    who = wait_for("SSH", lambda: user in (said := ssh(run, user, "id -un; sudo id -un; date +%Z")) and said, 90)
    if who.split()[:2] != [user, "root"]:
        raise Failure(f"SSH: {who}")
    if "denied" not in (said := ssh(run, "root", "id -un")).lower():
        raise Failure(f"root signs in: {said}")
    run.proved(f"{name}; {zone} ({who.split()[2]}); ssh {user}@: a key opens it, sudo makes root of it; root itself is refused")
    joined = dict(line.split("=", 1) for line in joins(run, ssid).splitlines() if "=" in line)
    run.proved(f"Wi-Fi “{ssid}” is joined (mac80211_hwsim): {joined['wpa_state']}, {joined['key_mgmt']}, {joined['pairwise_cipher']}")


def own_file(run):
    """Set up by tallycam.toml, and set up otherwise by another one"""
    text = f"""name = "Front gate"
time_zone = "Asia/Tokyo"
country = "DE"
[[wifi]]
ssid = "Not in the air"
password = "whatever it is"
[[wifi]]
ssid = "Café No. 1"
password = "{WIFI_PASSWORD}"
[network]
address = "{WIRED}/24"
gateway = "{ABOVE}"
dns = "{RESOLVER}"
[network.wifi]
address = "{WIRELESS}/24"
[access]
password = "{PASSWORD}"
[ssh]
user = "alice"
keys = "{key(run)}"
[stream]
quality = 61
"""
    after = begin(run, {"tallycam.toml": text})
    run.proved(f"page {after:.0f} s after the power, at the address of the file; {', '.join(report(run).split('In force:')[1].split(chr(10) + '  ')[1:])}")
    is_set_up(run, "front-gate", "Asia/Tokyo", "alice", "Café No. 1")
    line = wait_for("the page by Wi-Fi", lambda: "HTTP/1.1 200" in (said := run.machine.ask(OVER_THE_AIR)[1]) and said, 60)
    run.proved(f"GET http://{WIRELESS}/ over the air: {line.strip()}")
    kept = run.guest("cat /boot/firmware/tallycam.toml")
    if PASSWORD in kept or len(kept.splitlines()) != len(text.splitlines()) or WIFI_PASSWORD not in kept:
        raise Failure(kept)
    if setting(run, "stream.quality") != 61:
        raise Failure(f"quality {setting(run, 'stream.quality')}")
    hashed = next(line for line in kept.splitlines() if line.startswith("password = ") and "$" in line)
    run.proved(f"the page's password is its hash on the card now ({hashed[:32]}…), and opens the page")
    keys = run.guest("cat /state/system/ssh/ssh_host_ed25519_key.pub")
    after = again(run, {"tallycam.toml": kept.replace("Front gate", "Back gate").replace("quality = 61", "quality = 62")})
    quality, name = setting(run, "stream.quality"), run.guest("cat /proc/sys/kernel/hostname")
    if name != "back-gate" or quality != 62 or keys != run.guest("cat /state/system/ssh/ssh_host_ed25519_key.pub"):
        raise Failure(report(run))
    run.proved(f"changed and started again: back-gate, quality 62, the page after {after:.0f} s, the same host key")


def derived(ssid):
    """The key that Imager writes in the place of a Wi-Fi password."""
    return hashlib.pbkdf2_hmac("sha1", WIFI_PASSWORD.encode(), ssid.encode(), 4096, 32).hex()


def imagers_preseed(run):
    """Set up by Imager's rpi-preseed.toml"""
    text = f"""config_version = "1.0"

[system]
hostname = "shed"

[user]
name = "bob"
password = "{CRYPT}"
password_encrypted = true
groups = ["sudo"]

[ssh]
enabled = true
password_authentication = false
authorized_keys = [
  "{key(run)}",
]

[wlan]
ssid = "My \\"Net\\""
password = "{derived('My "Net"')}"
password_encrypted = true
hidden = false
country = "DE"

[locale]
keymap = "de"
timezone = "America/New_York"
"""
    after = begin(run, {"rpi-preseed.toml": text, "tallycam.toml": f'[access]\npassword = "{PASSWORD}"\n'})
    run.proved(f"page {after:.0f} s after the power")
    is_set_up(run, "shed", "America/New_York", "bob", 'My "Net"')


def imagers_cloud_init(run):
    """Set up by what Imager writes for cloud-init"""
    user_data = f"""#cloud-config
manage_resolv_conf: false

hostname: barn
manage_etc_hosts: true
packages:
- avahi-daemon
apt:
  preserve_sources_list: true
  conf: |
    Acquire {{
      Check-Date "false";
    }};
timezone: Europe/Paris
keyboard:
  model: pc105
  layout: "de"
user:
  name: carol
  shell: /bin/bash
  lock_passwd: false
  passwd: "{CRYPT}"
  ssh_authorized_keys:
    - "{key(run)}"
  sudo: null
ssh_pwauth: false
runcmd:
  - [ systemctl, enable, --now, ssh ]
"""
    network = f"""network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      optional: true
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "DE"
      access-points:
        "Caf\\xc3\\xa9":
          hidden: true
          password: "{derived('Café')}"
      optional: true
"""
    after = begin(run, {"user-data": user_data, "network-config": network, "meta-data": "instance-id: rpi-imager-1764000000000\n",
                        "tallycam.toml": f'[access]\npassword = "{PASSWORD}"\n'})
    run.proved(f"page {after:.0f} s after the power")
    is_set_up(run, "barn", "Europe/Paris", "carol", "Café")


# Files of the card, and the expected report on each: a part of each line.
WRONG = [
    ("no TOML", {"tallycam.toml": f'name = "Gate\n[access]\npassword = "{PASSWORD}"\n'}, ["tallycam.toml:1: the quote is not closed on this line", "tallycam.toml: nothing of this file is used"]),
    ("wrong values and unknown keys",
     {"tallycam.toml": f'country = "UK"\ntimezone = "Europe/Berlin"\n[[wifi]]\nssid = "Nowhere"\npassword = "not in the air"\n[[wifi]]\nssid = "B"\n'
                       f'password = "short"\n[access]\npassword = "{PASSWORD}"\n[stream]\nquality = 700\n[colour]\nx = 1\n'},
     ["tallycam.toml:1: country: must be a country's code", "did you mean \"GB\"?", "tallycam.toml:2: there is no key `timezone`",
      "tallycam.toml:8: wifi.password: must be a Wi-Fi password", "tallycam.toml:12: `stream.quality` must be", "there is no section `colour`"]),
    ("a name that Windows has made, and files for another system",
     {"tallycam.toml": None, "tallycam.toml.txt": 'name = "Gate"\n', "user-data": "#cloud-config\nhostname: &a gate\nruncmd:\n  - [ rm, -rf, / ]\n",
      "rpi-preseed.toml": 'config_version = "2.0"\n[user]\nname = "root"\n'},
     ["tallycam.toml.txt: is not read for its name", "rename it to tallycam.toml", "user-data:", "rpi-preseed.toml:1: config_version"]),
    ("no UTF-8, and too much", {"tallycam.toml": 'name = "Küche"\n'.encode("latin-1"), "tallycam.toml.txt": None, "user-data": "#" * 70_000},
     ["tallycam.toml:1: is not read: this is not UTF-8 text", "save it as UTF-8", "user-data: is not read: it is longer than 64 kB"]),
]


def wrong_files(run):
    """Files with mistakes: the page answers, and says what is wrong"""
    begin(run, {"tallycam.toml": f'[access]\npassword = "{PASSWORD}"\n'})
    for title, files, words in WRONG:
        after = again(run, files)
        told, page = report(run), diagnosis(run)
        for word in words:
            if word not in told or word not in page:
                raise Failure(f"{title}: {word!r} is not said:\n{told}\n{page}")
        failed = run.guest("systemctl --failed --no-legend --plain")
        if failed:
            raise Failure(failed)
        wrong = [line.strip() for line in told.split("\n\n")[1].splitlines()[1:]]
        run.proved(f"{title}: page after {after:.0f} s, signed in with the password of before; the report and /diagnosis: “{'”, “'.join(wrong)}”")


LEGS = [(own_file, 900), (imagers_preseed, 600), (imagers_cloud_init, 600), (wrong_files, 1500)]

"""The machine is switched off from outside, and on again."""
import http.client

from machine import Failure, wait_for


def goes_off(run):
    """The machine is switched off from outside"""
    answers = []
    run.allow_power()

    def is_under_way():
        try:
            status, _, body = run.site.request("POST", "/api/v1/power", {"action": "off"}, timeout=60)
        except (OSError, http.client.HTTPException) as why:
            # It may switch off before it has answered.
            answers.append(str(why) or type(why).__name__)
        else:
            answers.append(f"{status} {body.decode()}")
        return answers[-1].startswith("202") or run.machine.has_crashed()
    try:
        wait_for("the power-off", is_under_way, 20)
        run.machine.wait_off(120)
    except Failure as why:
        raise Failure(f"{why}; POST /api/v1/power: {answers[-1]}") from why
    run.machine.switch_on()
    run.wait_state("an answer", lambda s: s["recording"] is not None, 120)
    # A machine that lost power, or whose kernel panicked, has no such last line.
    said = run.machine.ask("journalctl -b -1 -u tallycam -q -o cat | grep -F 'stop: done' | tail -n 1")[1]
    if not said:
        raise Failure("the boot before does not end with the service's stop")
    run.proved(f"POST /api/v1/power {{\"action\": \"off\"}}: {answers[-1]}; the machine goes off; the last of that boot's journal: "
               f"“{said}”")
    run.proved("switched on again: the service is there, by itself")


LEGS = [(goes_off, 400)]

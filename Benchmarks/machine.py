# SPDX-License-Identifier: Apache-2.0
import datetime, os, platform


def machine():
    """What the numbers are of."""
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} CPUs ({model}), Linux {platform.release()}, {datetime.date.today():%d %B %Y}".replace(" 0", " ")

# Calls part handlers as cloud-init calls them. What is to be done comes as JSON on the standard input. A line that begins
# with "landfall: " is for landfall: an error of a handler, or a part that none has taken. The exit code is 1 after an error.
import base64, importlib.util, json, os, sys, traceback, types

job = json.load(sys.stdin)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
ALWAYS, INSTANCE = "always", "once-per-instance"
failed = False


def say(text):
    print("landfall: " + " ".join(str(text).split()), flush=True)


def module(name, **content):
    made = types.ModuleType(name)
    made.__dict__.update(content)
    return sys.modules.setdefault(name, made)


class Cloud:
    """What handlers are given of the instance."""

    def __init__(self, data):
        self.instance_data, v1 = data, data.get("v1", {})
        self.cfg = data.get("merged_system_cfg") or {}
        self.datasource = types.SimpleNamespace(metadata=data.get("ds", {}).get("meta_data", {}))
        self.paths = types.SimpleNamespace(
            cloud_dir="/var/lib/cloud", run_dir="/run/cloud-init", instance_link="/var/lib/cloud/instance",
            get_ipath_cur=lambda name=None: os.path.join("/var/lib/cloud/instance", name or ""),
            get_cpath=lambda name=None: os.path.join("/var/lib/cloud", name or ""))
        self.get_instance_id = lambda: v1.get("instance_id", job["instance"])
        self.get_hostname = lambda *_, **__: v1.get("local_hostname", "")
        self.get_public_ssh_keys = lambda: v1.get("public_ssh_keys", [])


# Handlers name the frequencies by these modules also where cloud-init is not installed.
if importlib.util.find_spec("cloudinit") is None:
    settings = module("cloudinit.settings", PER_ALWAYS=ALWAYS, PER_INSTANCE=INSTANCE, PER_ONCE="once")
    cloud = module("cloudinit.cloud", Cloud=Cloud)
    module("cloudinit", settings=settings, cloud=cloud, __path__=[])

try:
    with open("/run/cloud-init/instance-data-sensitive.json") as file:
        instance_data = json.load(file)
except (OSError, ValueError):
    instance_data = {}
data = Cloud(instance_data)
frequency = ALWAYS if job["every_boot"] else INSTANCE
taken, begun = {}, []


def call(handler, headers, name, payload):
    global failed
    # In the instance's first boot all are called, in later ones those that want to be.
    if job["every_boot"] and handler["frequency"] != ALWAYS:
        return
    kind = headers["Content-Type"]
    arguments = [data, kind, name, payload, frequency, headers]
    count = {3: 6, 2: 5}.get(handler["version"], 4)
    try:
        handler["module"].handle_part(*arguments[:count])
    except Exception as error:
        traceback.print_exc()
        failed = True
        say(f"{handler['name']} failed on {name or kind}: {type(error).__name__}: {error}")


def register(path):
    global failed
    name = os.path.basename(path)[: -len(".py")]
    try:
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        try:
            version = int(getattr(made, "handler_version", 1))
        except (TypeError, ValueError):
            version = 1
        often = getattr(made, "frequency", INSTANCE)
        handler = {"name": name, "module": made, "version": version, "frequency": often if often == ALWAYS else INSTANCE}
        kinds = list(made.list_types())
    except Exception as error:
        traceback.print_exc()
        failed = True
        say(f"{name} cannot be used: {type(error).__name__}: {error}")
        return
    call(handler, {"Content-Type": "__begin__"}, None, None)
    begun.append(handler)
    for kind in kinds:
        if kind in job["own"]:
            if not job["every_boot"]:
                say(f"{name} asks for {kind}, which landfall does itself: such parts are not given to it")
        else:
            taken[kind] = handler


for path in job["on_host"]:
    register(path)
for walked in job["walked"]:
    if "handler" in walked:
        register(walked["handler"]["path"])
        continue
    part = walked["part"]
    kind, payload = part["content_type"], base64.b64decode(part["content"])
    if kind.startswith("text/"):
        payload = payload.decode("utf-8", "surrogateescape")
    if kind in taken:
        call(taken[kind], {**part.get("headers", {}), "Content-Type": kind}, part["file_name"], payload)
    elif payload and not job["every_boot"]:
        say(f"no part handler takes {part['file_name']} ({kind}): nothing is done with it")
for handler in begun:
    call(handler, {"Content-Type": "__end__"}, None, None)
sys.exit(failed)

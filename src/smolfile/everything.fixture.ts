/** A Smolfile with every key that can be together. */
export const EVERYTHING = `
image = "./app.tar"
oci_platform = "linux/arm64/v8"
entrypoint = ["/bin/serve"]
cmd = ["--port", "80"]
env = [" A=1 ", "HOST_VALUE", "NOT_SET", 'QUOTED="$x y"', "EMPTY="]
workdir = "/srv"
user = "1000:1000"
init = ["echo top"]
init_once = ["echo once"]
stop_signal = "SIGQUIT"
stop_timeout = "1m30s"
reaper = true
labels = { team = "web", "a.b" = "" }

cpus = 2
memory = 512
storage = "1T"
overlay = 3
pids = 100
disk_bps = "10M"
mitigations = true

ttl = "1d"
idle_timeout = 90
on_timeout = "delete"

net = true
ports = ["8080:80", "443:443"]
volumes = ["/data:/data", "../x:/x:ro"]
gpu = true
gpu_vram = 1024
rosetta = true
cuda = true
auto_graph = true
docker_socket = true

[dev]
volumes = [".:/workspace"]
ports = ["3000:3000"]
init = ["echo dev"]
init_once = ["echo dev once"]
env = ["A=2", "DEV=1"]
workdir = "/workspace"

[artifact]
cpus = 1
memory = "2G"
entrypoint = ["/bin/serve"]
cmd = []
oci_platform = "linux/amd64"

[pack]
cpus = 3
memory = 64
entrypoint = []
cmd = ["x"]
oci_platform = "linux/amd64"

[network]
allow_hosts = ["example.com", "10.0.0.1", "::1", "_dmarc.example.com."]
allow_cidrs = ["10.0.0.0/8", "192.168.1.1", "fd00::/8"]

[health]
exec = ["curl", "-f", "http://localhost/"]
interval = "10s"
timeout = "2"
retries = 5
startup_grace = "2h"

[restart]
policy = "OnFailure"
max_retries = 0
max_backoff = "5m"

[auth]
ssh_agent = true
ssh_agent_keys = ["SHA256:uNiVztksCsDhcc0u9e8BrrFXVUnJnpLEvHPIRrxzYns"]

[fork]
enabled = true
pool_size = 2
cuda_vram_limit_mib = 2048

[service]
port = 80
protocol = "http"

[secrets]
TOKEN = { from_env = "MY_TOKEN" }
KEY.from_file = "/run/key"
`;

# A service in a machine of its own, on every Nomad client that has smolvm and the driver raw_exec.
#
#   nomad job run -var image=ghcr.io/you/web:1 smolvm.nomad.hcl

variable "image" {
  type    = string
  default = "docker.io/library/nginx:alpine"
}

job "smolvm-web" {
  type = "service"

  group "web" {
    network {
      port "http" {}
    }

    task "machine" {
      driver = "raw_exec"
      # Nobody that has other rights; on hosts with KVM in the group kvm.
      user = "smolvm"

      config {
        command = "/usr/local/bin/smolvm"
        args = [
          "machine", "run",
          "--name", "web-${NOMAD_SHORT_ALLOC_ID}",
          "--cpus", "1",
          "--mem", "512",
          "--image", "${var.image}",
          "-p", "${NOMAD_ADDR_http}:80",
        ]
      }

      env {
        HOME = "${NOMAD_TASK_DIR}"
        # Disks go with the allocation; images are shared by all allocations of this client.
        XDG_DATA_HOME  = "${NOMAD_TASK_DIR}/data"
        XDG_CACHE_HOME = "/var/cache/smolvm"
        # Sockets need short names, which paths of allocations are not.
        XDG_RUNTIME_DIR = "/run/smolvm"
      }

      # smolvm asks the command in the machine to end, and gives it ten seconds.
      kill_signal  = "SIGTERM"
      kill_timeout = "20s"

      # Nomad counts with this and does not enforce it for raw_exec: the machine's memory and 128 MiB for its VMM.
      resources {
        cpu    = 500
        memory = 640
      }

      service {
        name     = "web"
        port     = "http"
        provider = "nomad"

        check {
          type     = "http"
          path     = "/"
          interval = "10s"
          timeout  = "2s"
        }
      }
    }
  }
}

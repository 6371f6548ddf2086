# A cloud-config for a host that landfall provisions, to be given to any provider's server as user_data:
#
#   module "web" {
#     source  = "./landfall"
#     package = "https://downloads.example.org/landfall_0.1.0_amd64.deb#SHA256"
#     phases  = [{ name = "web", packages = ["nginx"], runcmd = ["systemctl enable --now nginx"] }]
#   }
#
#   resource "hcloud_server" "web" {
#     user_data = module.web.user_data
#     ...
#   }
#
# The image has cloud-init: landfall's bootstrap is run by it (cloud-config/bootstrap.yaml, which this fills in). For an image that
# has landfall baked in, `baked = true` gives the plain cloud-config.

terraform {
  required_version = ">= 1.3"
}

variable "package" {
  description = "Where landfall is fetched: an address of the package with its #SHA256, a path in the image, an apt source, or apt"
  type        = string
  default     = "apt"
}

variable "phases" {
  description = "Phases of the landfall section: a list of objects with a name and any cloud-config keys"
  type        = any
}

variable "settings" {
  description = "Other keys of the landfall section: retry, on_error, timeouts, notify, ..."
  type        = any
  default     = {}
}

variable "baked" {
  description = "The image has landfall, and no cloud-init"
  type        = bool
  default     = false
}

variable "bootstrap" {
  description = "landfall's cloud-config/bootstrap.yaml"
  type        = string
  default     = null
}

locals {
  section   = yamlencode({ landfall = merge(var.settings, { phases = var.phases }) })
  bootstrap = var.baked ? "" : file(coalesce(var.bootstrap, "${path.module}/../../cloud-config/bootstrap.yaml"))

  # The two places of the bootstrap that are to be edited, each from its `put` to its END.
  from   = "/(?s)(put /etc/landfall/bootstrap.conf <<'END'\n).*?(\n    END)/"
  phases = "/(?s)(put /etc/landfall/conf.d/50-user.yaml <<'END'\n).*?(\n    END)/"

  # In a replacement ${...} is a group; the text of the user is not to be taken for one.
  escaped_package = replace(var.package, "$", "$$")
  escaped_section = replace(indent(4, trimspace(local.section)), "$", "$$")

  with_package = replace(local.bootstrap, local.from, "$${1}    LANDFALL_FROM='${local.escaped_package}'$${2}")
  hosted       = replace(local.with_package, local.phases, "$${1}    ${local.escaped_section}$${2}")
}

output "user_data" {
  description = "For the user_data of a server"
  value       = var.baked ? "#cloud-config\n${local.section}" : local.hosted
  sensitive   = true
}

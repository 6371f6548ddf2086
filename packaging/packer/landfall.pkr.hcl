# An image with landfall in it: the first boot of each host made from it finds its datasource and does the rest.
#
#   packer build -var package=landfall_0.1.0_amd64.deb -var image=debian-13-generic-amd64.qcow2 -var image_checksum=sha512:... \
#     -var ssh_private_key_file=~/.ssh/packer .
#
# Put the public half of that key into seed/user-data.
#
# The source is a cloud image under qemu; replace it with that of your provider and keep the build as it is. Packer 1.7 and newer
# wants the plugin of the source to be named: plugins.pkr.hcl does.

variable "package" {
  type        = string
  description = "The landfall package on this machine."
}

variable "image" {
  type        = string
  description = "A Debian or Ubuntu cloud image: path or address."
}

variable "image_checksum" {
  type        = string
  description = "Its checksum, as sha512:...; none where it is not checked."
  default     = "none"
}

variable "ssh_private_key_file" {
  type        = string
  description = "The key whose public half is in seed/user-data."
}

source "qemu" "debian" {
  iso_url              = var.image
  iso_checksum         = var.image_checksum
  disk_image           = true
  format               = "qcow2"
  headless             = true
  output_directory     = "output"
  vm_name              = "debian-landfall.qcow2"
  ssh_username         = "debian"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "10m"
  cd_files             = ["./seed/meta-data", "./seed/user-data"]
  cd_label             = "cidata"
  shutdown_command     = "sudo shutdown -P now"
}

build {
  sources = ["source.qemu.debian"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/landfall.deb"
  }

  provisioner "shell" {
    inline = [
      "cloud-init status --wait || true",
      # landfall takes cloud-init's place in the image; leave this line out to have it run beside it.
      "sudo apt-get purge --yes cloud-init",
      "sudo DEBIAN_FRONTEND=noninteractive apt-get install --yes /tmp/landfall.deb",
      "rm /tmp/landfall.deb",
      # The hosts made from it are others than this one.
      "sudo landfall clean --logs --seed --machine-id",
      "sudo rm -rf /var/lib/cloud",
    ]
  }
}

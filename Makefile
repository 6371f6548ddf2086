# On a Debian 12 or 13 machine with root and Rust. What else is needed is installed by tests/setup.sh; caches are kept in
# ${LANDFALL_CACHE:-$HOME/.cache/landfall} and target/, nothing else of the machine is touched.

# For this machine: .cargo/config.toml has to name one target, and names the commonest.
export CARGO_BUILD_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')

.PHONY: build deb deb-clean-root demo bench fuzz check check-long keys parity-record clean

# The binary, for this machine: target/*/release/landfall
build:
	cargo build --release --locked

# target/debian/landfall_*.deb and landfall-cloud-init_*.deb, built by this machine's own cargo
deb:
	packaging/make-deb.sh

# The same in a clean Debian 13 with that release's own cargo, from vendored crates, without a network: target/clean-root/landfall_*.deb
deb-clean-root:
	packaging/make-deb-clean-root.sh

# Builds the package, boots a throwaway Debian with it, cuts the power in the middle, boots again and shows what came of it.
demo:
	@tests/show.sh demo

# landfall and cloud-init 25.1 side by side on one root: a table on standard output.
bench:
	@tests/show.sh bench

# Feeds every reader with changed inputs, FUZZ_SECONDS (60) each; exit 1 if one panics, hangs or takes more than 64 MB.
fuzz:
	@cargo run --locked --example fuzz

# What CI runs. Its last line is "N passed, N failed" over all suites.
check:
	@tests/check.sh

# The same at full size
check-long:
	@LANDFALL_LONG=1 tests/check.sh

# Writes the table of keys in cloud-config/README.md anew.
keys:
	UPDATE=1 cargo test --locked --test validate the_table_of_keys

# Stores anew what the real cloud-init leaves in every parity case; look at the diff. As root.
parity-record:
	@tests/parity/record.sh

clean:
	cargo clean

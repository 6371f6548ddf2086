//! `system_info`: how apt-get is called.

use super::Steps;
use crate::config::typed::cloud::{AptGetWrapper, IfThere};
use crate::config::typed::Keys;
use crate::plan::AptGet;

/// It makes every fsync a lie: a cut while packages are unpacked would leave the host torn, with nothing that could tell how.
const WITHOUT_SYNC: &str = "eatmydata";

/// What the configuration says of it.
pub fn apt_get(keys: &Keys) -> AptGet {
    let Some(said) = &keys.system_info else { return AptGet::default() };
    let wrapper = said
        .apt_get_wrapper
        .as_ref()
        .filter(|wrapper| matches!(wrapper.enabled, Some(IfThere::Yes | IfThere::Auto)) && !is_without_sync(wrapper));
    AptGet {
        command: said.apt_get_command.0.clone(),
        wrapper: wrapper.map(|wrapper| wrapper.command.0.clone()).unwrap_or_default(),
        wrapper_if_there: wrapper.is_some_and(|wrapper| wrapper.enabled == Some(IfThere::Auto)),
        upgrade: said.apt_get_upgrade_subcommand.clone(),
    }
}

fn is_without_sync(wrapper: &AptGetWrapper) -> bool {
    wrapper.command.0.first().is_some_and(|program| program.rsplit('/').next() == Some(WITHOUT_SYNC))
}

/// Says what is not done as it is asked for.
pub fn report(keys: &Keys, steps: &mut Steps) {
    let wrapper = keys.system_info.as_ref().and_then(|said| said.apt_get_wrapper.as_ref());
    if let Some(wrapper) = wrapper.filter(|wrapper| is_without_sync(wrapper) && wrapper.enabled == Some(IfThere::Yes)) {
        let message = format!("apt-get is run without {WITHOUT_SYNC}: a power cut would leave packages torn");
        steps.report.note("apt-get-wrapper", message).at(wrapper.place("command"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{applied, assert_problems};
    use super::*;

    #[test]
    fn apt_get_is_called_as_system_info_says() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (said, expected) in [
            ("", AptGet::default()),
            (
                "apt_get_command: [apt-get, --no-install-recommends]",
                AptGet { command: words(&["apt-get", "--no-install-recommends"]), ..AptGet::default() },
            ),
            ("apt_get_upgrade_subcommand: upgrade", AptGet { upgrade: Some("upgrade".into()), ..AptGet::default() }),
            ("apt_get_wrapper: {command: [nice, -n5], enabled: true}", AptGet { wrapper: words(&["nice", "-n5"]), ..AptGet::default() }),
            (
                "apt_get_wrapper: {command: nice, enabled: auto}",
                AptGet { wrapper: words(&["nice"]), wrapper_if_there: true, ..AptGet::default() },
            ),
            ("apt_get_wrapper: {command: nice}", AptGet::default()),
            ("apt_get_wrapper: {command: nice, enabled: false}", AptGet::default()),
            ("apt_get_wrapper: {command: /usr/bin/eatmydata, enabled: auto}", AptGet::default()),
        ] {
            let plan = applied(&format!("system_info: {{{said}}}\npackages: [a]\n"));
            assert_eq!(plan.apt_get, expected, "{said}");
            assert_problems(&plan, &[]);
        }
    }

    #[test]
    fn a_wrapper_that_lies_about_syncs_is_left_out_and_said() {
        let plan = applied("system_info: {apt_get_wrapper: {command: eatmydata, enabled: true}}\npackages: [a]\n");
        assert_eq!(plan.apt_get, AptGet::default());
        assert_problems(&plan, &["note: apt-get is run without eatmydata: a power cut would leave packages torn"]);
    }
}

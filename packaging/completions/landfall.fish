# fish completion for landfall

function __landfall_needs_command
    set -l words (commandline -opc)
    for word in $words[2..]
        string match -q -- '-*' $word; or return 1
    end
    return 0
end

function __landfall_command
    set -l words (commandline -opc)
    for word in $words[2..]
        string match -q -- '-*' $word; and continue
        contains -- $word $argv
        return
    end
    return 1
end

complete -c landfall -f
complete -c landfall -s q -l quiet -d 'Say errors only'
complete -c landfall -s v -l verbose -d 'Say more'
complete -c landfall -s h -l help -d 'Show how it is used'
complete -c landfall -n __landfall_needs_command -s V -l version -d 'Show the version'

complete -c landfall -n __landfall_needs_command -a run -d 'Find user-data, plan, execute or resume'
complete -c landfall -n __landfall_needs_command -a apply -d 'Execute a user-data file now'
complete -c landfall -n __landfall_needs_command -a resume -d 'Go on with the recorded run now'
complete -c landfall -n __landfall_needs_command -a rerun -d 'Run one step of the recorded run again'
complete -c landfall -n __landfall_needs_command -a rollback -d 'Undo what the recorded run did, last first'
complete -c landfall -n __landfall_needs_command -a restore -d 'Put back what a file held before'
complete -c landfall -n __landfall_needs_command -a drift -d 'Show what differs now from what the run left'
complete -c landfall -n __landfall_needs_command -a plan -d 'Show what a run of this user-data would do here'
complete -c landfall -n __landfall_needs_command -a preflight -d 'Say whether this host has what a run needs'
complete -c landfall -n __landfall_needs_command -a validate -d 'Say what is wrong with user-data'
complete -c landfall -n __landfall_needs_command -a schema -d 'Print a JSON Schema of cloud-config'
complete -c landfall -n __landfall_needs_command -a push -d 'Apply user-data on other machines over ssh'
complete -c landfall -n __landfall_needs_command -a config -d 'Show every setting with its value and where it was said'
complete -c landfall -n __landfall_needs_command -a status -d 'Show the state of the current or last run'
complete -c landfall -n __landfall_needs_command -a watch -d 'Show what the run does while it does it'
complete -c landfall -n __landfall_needs_command -a why -d 'Say why the run failed or waits'
complete -c landfall -n __landfall_needs_command -a analyze -d 'Show what each step of the run took'
complete -c landfall -n __landfall_needs_command -a query -d 'Show what is known of this instance'
complete -c landfall -n __landfall_needs_command -a logs -d 'Show the log, or what one step said'
complete -c landfall -n __landfall_needs_command -a unlock -d 'Show who holds the run lock, or end that run'
complete -c landfall -n __landfall_needs_command -a clean -d 'Forget the run'

complete -c landfall -n '__landfall_command run' -l stage -x -a 'local network final' -d 'Point of the boot'
complete -c landfall -n '__landfall_command run' -l network -d 'Only the network'
complete -c landfall -n '__landfall_command plan' -l first-boot -d 'As the first boot of a new host does it'
complete -c landfall -n '__landfall_command apply plan config' -l root -x -a '(__fish_complete_directories)' -d 'System under this directory'
complete -c landfall -n '__landfall_command apply plan preflight validate config restore' -F
complete -c landfall -n '__landfall_command push' -a '(__fish_print_hostnames)' -d 'Machine'
complete -c landfall -n '__landfall_command push' -s f -l file -r -F -d 'User-data'
complete -c landfall -n '__landfall_command push' -s u -l user -x -d 'Users to try'
complete -c landfall -n '__landfall_command push' -s j -l jobs -x -d 'Machines at once'
complete -c landfall -n '__landfall_command push' -l deb -r -F -d 'Install this package first'
complete -c landfall -n '__landfall_command push' -s o -l ssh-option -x -d 'An option for ssh'
complete -c landfall -n '__landfall_command validate' -l strict -d 'Take no warnings either'
complete -c landfall -n '__landfall_command preflight' -l bandwidth -d 'Measure how fast a source of packages is'
complete -c landfall -n '__landfall_command run apply plan config' -l on-error -x -a 'continue stop warn rollback' -d 'What a failure does'
complete -c landfall -n '__landfall_command run apply plan config' -l on-interrupt -x -a 'rerun skip stop' -d 'What happens to a command that was cut off'
complete -c landfall -n '__landfall_command run apply plan config' -l retry -x -d 'Attempts in all'
complete -c landfall -n '__landfall_command run apply plan config' -l timeout -x -d 'Limit for one step'
complete -c landfall -n '__landfall_command run apply resume rerun rollback restore drift plan preflight validate push config watch why analyze logs unlock clean' -l format -x -a 'text json' -d 'How it is printed'
complete -c landfall -n '__landfall_command status' -l format -x -a 'tabular json yaml' -d 'How it is printed'
complete -c landfall -n '__landfall_command status' -s w -l wait -d 'Wait for the end'
complete -c landfall -n '__landfall_command status' -l timeout -x -d 'Give up waiting after this long'
complete -c landfall -n '__landfall_command status' -s l -l long -d 'Every step too'
complete -c landfall -n '__landfall_command status' -l strict -d 'Exit 2 where the run is degraded'
complete -c landfall -n '__landfall_command analyze; and not __fish_seen_subcommand_from blame plot' -f -d 'How it is shown' -a 'blame plot'
complete -c landfall -n '__landfall_command query' -s a -l all -d 'All there is'
complete -c landfall -n '__landfall_command query' -s l -l list-keys -d 'Only the names'
complete -c landfall -n '__landfall_command query' -s f -l format -x -d 'A template to be filled in'
complete -c landfall -n '__landfall_command query' -s i -l instance-data -r -F -d 'Other instance data'
complete -c landfall -n '__landfall_command query' -s u -l user-data -r -F -d 'Other user-data'
complete -c landfall -n '__landfall_command query' -l vendor-data -r -F -d 'Other vendor-data'
complete -c landfall -n '__landfall_command logs' -s n -l lines -x -d 'The last lines only'
complete -c landfall -n '__landfall_command logs' -s f -l follow -d 'Go on as it grows'
complete -c landfall -n '__landfall_command unlock' -l force -d 'End the run that holds it'
complete -c landfall -n '__landfall_command clean' -s l -l logs -d 'The logs too'
complete -c landfall -n '__landfall_command clean' -s s -l seed -d 'The seed directory too'
complete -c landfall -n '__landfall_command clean' -l machine-id -d 'A new machine-id too'
complete -c landfall -n '__landfall_command rollback' -l phase -x -d 'This phase only'
complete -c landfall -n '__landfall_command rollback' -l step -x -d 'This step only'
complete -c landfall -n '__landfall_command rollback' -s n -l dry-run -d 'Change nothing'
complete -c landfall -n '__landfall_command rollback' -s i -l interactive -d 'Ask before each step'
complete -c landfall -n '__landfall_command rollback' -l cascade -d 'Later steps that rest on these too'
complete -c landfall -n '__landfall_command rollback' -l force -d 'Also what was changed since'
complete -c landfall -n '__landfall_command restore' -s l -l list -d 'Show the versions'
complete -c landfall -n '__landfall_command restore' -l version -x -d 'The version of this number'
complete -c landfall -n '__landfall_command restore' -l show -d 'Print it instead'

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
complete -c landfall -n __landfall_needs_command -a validate -d 'Say what is wrong with user-data'
complete -c landfall -n __landfall_needs_command -a status -d 'Show the state of the current or last run'
complete -c landfall -n __landfall_needs_command -a why -d 'Say why the run failed or waits'
complete -c landfall -n __landfall_needs_command -a logs -d 'Show the log, or what one step said'
complete -c landfall -n __landfall_needs_command -a unlock -d 'Show who holds the run lock, or end that run'
complete -c landfall -n __landfall_needs_command -a clean -d 'Forget the run'

complete -c landfall -n '__landfall_command run' -l stage -x -a 'local network final' -d 'Point of the boot'
complete -c landfall -n '__landfall_command apply plan' -l root -x -a '(__fish_complete_directories)' -d 'System under this directory'
complete -c landfall -n '__landfall_command apply plan validate restore' -F
complete -c landfall -n '__landfall_command run apply resume rerun rollback restore drift plan validate why logs unlock clean' -l format -x -a 'text json' -d 'How it is printed'
complete -c landfall -n '__landfall_command status' -l format -x -a 'tabular json yaml' -d 'How it is printed'
complete -c landfall -n '__landfall_command status' -s w -l wait -d 'Wait for the end'
complete -c landfall -n '__landfall_command status' -l timeout -x -d 'Give up waiting after this long'
complete -c landfall -n '__landfall_command status' -s l -l long -d 'Every step too'
complete -c landfall -n '__landfall_command status' -l strict -d 'Exit 2 where the run is degraded'
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

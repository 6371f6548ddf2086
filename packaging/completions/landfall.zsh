#compdef landfall

_landfall() {
  local -a commands common
  common=(
    '(-v --verbose)'{-q,--quiet}'[say errors only]'
    '(-q --quiet)*'{-v,--verbose}'[say more]'
    {-h,--help}'[show how it is used]'
  )
  commands=(
    'run:find user-data, plan, execute or resume'
    'apply:execute a user-data file now'
    'resume:go on with the recorded run now'
    'rerun:run one step of the recorded run again'
    'rollback:undo what the recorded run did, last first'
    'restore:put back what a file held before'
    'drift:show what differs now from what the run left'
    'plan:show what a run of this user-data would do here'
    'preflight:say whether this host has what a run needs'
    'validate:say what is wrong with user-data'
    'schema:print a JSON Schema of cloud-config'
    'push:apply user-data on other machines over ssh'
    'config:show every setting with its value and where it was said'
    'status:show the state of the current or last run'
    'watch:show what the run does while it does it'
    'why:say why the run failed or waits'
    'analyze:show what each step of the run took'
    'query:show what is known of this instance'
    'logs:show the log, or what one step said'
    'unlock:show who holds the run lock, or end that run'
    'clean:forget the run'
  )

  local context state state_descr line
  typeset -A opt_args
  _arguments -C $common {-V,--version}'[show the version]' '1:command:->command' '*::argument:->argument' && return

  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
        run)
          _arguments $common '--stage[point of the boot]:stage:(local network final)' '--network[only the network]' '--format[how it is printed]:format:(text json)' \
            '--on-error[what a failure does]:word:(continue stop warn rollback)' '--on-interrupt[what happens to what was cut off]:word:(rerun skip stop)' \
            '--retry[attempts in all]:number:' '--timeout[limit for one step]:duration:'
          ;;
        resume) _arguments $common '--format[how it is printed]:format:(text json)' ;;
        rerun) _arguments $common '--format[how it is printed]:format:(text json)' ':step:' ;;
        plan)
          _arguments $common '--root[system under this directory]:directory:_directories' \
            '--first-boot[as the first boot of a new host does it]' '--format[how it is printed]:format:(text json)' \
            '--on-error[what a failure does]:word:(continue stop warn rollback)' '--on-interrupt[what happens to what was cut off]:word:(rerun skip stop)' \
            '--retry[attempts in all]:number:' '--timeout[limit for one step]:duration:' ':user-data:_files'
          ;;
        apply | config)
          _arguments $common '--root[system under this directory]:directory:_directories' '--format[how it is printed]:format:(text json)' \
            '--on-error[what a failure does]:word:(continue stop warn rollback)' '--on-interrupt[what happens to what was cut off]:word:(rerun skip stop)' \
            '--retry[attempts in all]:number:' '--timeout[limit for one step]:duration:' ':user-data:_files'
          ;;
        preflight)
          _arguments $common '--bandwidth[measure how fast a source of packages is]' '--format[how it is printed]:format:(text json)' \
            ':user-data:_files'
          ;;
        push)
          _arguments $common {-f,--file}'[user-data]:user-data:_files' {-u,--user}'[users to try]:users:' \
            {-j,--jobs}'[machines at once]:number:' '--deb[install this package first]:package:_files' \
            '*'{-o,--ssh-option}'[an option for ssh]:option:' '--format[how it is printed]:format:(text json)' '*:host:_hosts'
          ;;
        validate) _arguments $common '--strict[take no warnings either]' '--format[how it is printed]:format:(text json)' '*:user-data:_files' ;;
        status)
          _arguments $common {-w,--wait}'[wait for the end]' '--timeout[no longer than this]:duration:' {-l,--long}'[every step too]' \
            '--format[how it is printed]:format:(tabular json yaml)' '--strict[exit 2 where the run is degraded]'
          ;;
        schema) _arguments $common ;;
        drift) _arguments $common '--format[how it is printed]:format:(text json)' ;;
        rollback)
          _arguments $common '--phase[this phase only]:phase:' '--step[this step only]:step:' {-n,--dry-run}'[change nothing]' \
            {-i,--interactive}'[ask before each step]' '--cascade[later steps that rest on these too]' \
            '--force[also what was changed since]' '--format[how it is printed]:format:(text json)'
          ;;
        restore)
          _arguments $common {-l,--list}'[show the versions]' '--version[the version of this number]:number:' \
            '--show[print it instead]' '--format[how it is printed]:format:(text json)' ':file:_files'
          ;;
        watch) _arguments $common '--format[how it is printed]:format:(text json)' ;;
        analyze) _arguments $common '--format[how it is printed]:format:(text json)' ':how:(blame plot)' ;;
        why) _arguments $common '--format[how it is printed]:format:(text json)' ;;
        query)
          _arguments $common {-a,--all}'[all there is]' {-l,--list-keys}'[only the names]' {-f,--format}'[a template to be filled in]:template:' \
            {-i,--instance-data}'[other instance data]:file:_files' {-u,--user-data}'[other user-data]:file:_files' \
            '--vendor-data[other vendor-data]:file:_files' ':name:'
          ;;
        logs) _arguments $common {-n,--lines}'[last lines only]:lines:' {-f,--follow}'[go on as it grows]' \
            '--format[how it is printed]:format:(text json)' ':step:' ;;
        unlock) _arguments $common '--force[end the run that holds it]' '--format[how it is printed]:format:(text json)' ;;
        clean)
          _arguments $common {-l,--logs}'[the logs too]' {-s,--seed}'[the seed directory too]' '--machine-id[a new machine-id too]' \
            '--format[how it is printed]:format:(text json)'
          ;;
      esac
      ;;
  esac
}

_landfall "$@"

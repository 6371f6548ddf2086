# bash completion for landfall

_landfall() {
    local cur prev words cword
    _init_completion || return

    local commands="run apply resume rerun rollback restore drift plan preflight validate schema push config status watch why analyze query logs unlock clean"
    local command="" i
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
            -*) ;;
            *)
                command=${words[i]}
                break
                ;;
        esac
    done

    case $prev in
        --stage)
            COMPREPLY=($(compgen -W "local network final" -- "$cur"))
            return
            ;;
        --root)
            _filedir -d
            return
            ;;
        --format)
            case $command in
                status) COMPREPLY=($(compgen -W "tabular json yaml" -- "$cur")) ;;
                query) ;;
                *) COMPREPLY=($(compgen -W "text json" -- "$cur")) ;;
            esac
            return
            ;;
        --on-error)
            COMPREPLY=($(compgen -W "continue stop warn rollback" -- "$cur"))
            return
            ;;
        --on-interrupt)
            COMPREPLY=($(compgen -W "rerun skip stop" -- "$cur"))
            return
            ;;
        --file | --deb | --instance-data | --user-data | --vendor-data)
            _filedir
            return
            ;;
        --user | --jobs | --ssh-option | -u | -j | -o)
            return
            ;;
        --timeout | --lines | -n | --phase | --step | --retry)
            return
            ;;
    esac

    local options="--quiet --verbose --help"
    case $command in
        "")
            options+=" --version"
            if [[ $cur != -* ]]; then
                COMPREPLY=($(compgen -W "$commands" -- "$cur"))
                return
            fi
            ;;
        run) options+=" --stage --network --format --on-error --on-interrupt --retry --timeout" ;;
        plan) options+=" --root --first-boot --format --on-error --on-interrupt --retry --timeout" ;;
        apply | config) options+=" --root --format --on-error --on-interrupt --retry --timeout" ;;
        validate) options+=" --strict --format" ;;
        watch | why | analyze | resume | rerun | drift) options+=" --format" ;;
        preflight) options+=" --bandwidth --format" ;;
        status) options+=" --wait --timeout --long --format --strict" ;;
        push) options+=" --file --user --jobs --deb --ssh-option --format" ;;
        rollback) options+=" --phase --step --dry-run --interactive --cascade --force --format" ;;
        restore) options+=" --list --version --show --format" ;;
        query) options+=" --all --list-keys --format --instance-data --user-data --vendor-data" ;;
        logs) options+=" --lines --follow --format" ;;
        unlock) options+=" --force --format" ;;
        clean) options+=" --logs --seed --machine-id --format" ;;
    esac

    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        return
    fi
    case $command in
        apply | plan | preflight | validate | config | restore) _filedir ;;
        push) declare -F _known_hosts_real >/dev/null && _known_hosts_real -- "$cur" ;;
        analyze) COMPREPLY=($(compgen -W "blame plot" -- "$cur")) ;;
    esac
} &&
    complete -F _landfall landfall

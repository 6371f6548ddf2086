# bash completion for landfall

_landfall() {
    local cur prev words cword
    _init_completion || return

    local commands="run apply resume rerun rollback restore drift plan validate status why logs unlock clean"
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
                *) COMPREPLY=($(compgen -W "text json" -- "$cur")) ;;
            esac
            return
            ;;
        --timeout | --lines | -n | --phase | --step)
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
        run) options+=" --stage --format" ;;
        apply | plan) options+=" --root --format" ;;
        validate | why | resume | rerun | drift) options+=" --format" ;;
        status) options+=" --wait --timeout --long --format --strict" ;;
        rollback) options+=" --phase --step --dry-run --interactive --cascade --force --format" ;;
        restore) options+=" --list --version --show --format" ;;
        logs) options+=" --lines --follow --format" ;;
        unlock) options+=" --force --format" ;;
        clean) options+=" --logs --seed --machine-id --format" ;;
    esac

    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        return
    fi
    case $command in
        apply | plan | validate | restore) _filedir ;;
    esac
} &&
    complete -F _landfall landfall

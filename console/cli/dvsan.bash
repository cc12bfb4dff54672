# Completion for bash, asked of dvsan itself: commands and options of --help, names of its lists.
# SPDX-License-Identifier: BSD-2-Clause

_dvsan_names() # GROUP
{
    dvsan "$1" list 2>/dev/null </dev/null | awk -v group="$1" 'NR > 1 { print group == "medium" ? $2 : $1 }'
}

_dvsan()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=
    local group=${COMP_WORDS[1]} verb=${COMP_WORDS[2]}
    case $before in
    --unit | --medium | --host | --volume)
        words=$(_dvsan_names "${before#--}") ;;
    --*-file | --save-secret)
        compopt -o default; return ;;
    *)
        if [[ $word == -* ]]; then
            words=$(dvsan "$group" "$verb" --help 2>/dev/null | grep -oE '^  (-., )?--[a-z-]+' | grep -o -e '--.*')
        elif ((COMP_CWORD == 1)); then
            words=$(dvsan --help | awk '/^Commands/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ && !seen[$1]++ { print $1 }')
        elif ((COMP_CWORD == 2)); then
            words=$(dvsan "$group" --help 2>/dev/null | awk '/^  [a-z]/ { print $2 }')
        elif ((COMP_CWORD == 3)) && [[ $verb != add && $verb != create && $verb != list ]]; then
            words=$(_dvsan_names "$group")
        fi ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _dvsan dvsan

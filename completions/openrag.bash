# bash completion for openrag; made by scripts/build_docs.py

_openrag() {
    local line value cur="${COMP_WORDS[COMP_CWORD]}"
    local -a found
    COMPREPLY=()
    while IFS= read -r line; do
        found+=("${line%%$'\t'*}")
    done < <(openrag __complete --line "${COMP_LINE:0:COMP_POINT}" 2> /dev/null; printf '%s\n' "$?")
    local status="${found[-1]}"
    unset 'found[-1]'
    if [[ $status == 3 ]]; then
        compopt -o default
        return
    fi
    compopt -o nosort 2> /dev/null
    # An opened quote is kept by readline; outside of one, blanks and the like need a backslash.
    if [[ $cur == [\"\']* ]]; then
        COMPREPLY=("${found[@]}")
        return
    fi
    for value in "${found[@]}"; do
        printf -v line '%q' "$value"
        [[ $line == \$\'* ]] && line="${value// /\\ }" # an ASCII locale: %q would spell out every byte
        COMPREPLY+=("$line")
    done
}
complete -F _openrag openrag

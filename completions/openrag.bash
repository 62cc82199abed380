# bash completion for openrag; made by scripts/build_docs.py

_openrag() {
    local line value at cur="${COMP_WORDS[COMP_CWORD]}"
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
    if [[ $cur == \"* ]]; then
        for value in "${found[@]}"; do
            value="${value//\\/\\\\}" value="${value//\"/\\\"}" value="${value//\$/\\\$}"
            COMPREPLY+=("${value//\`/\\\`}")
        done
        return
    elif [[ $cur == \'* ]]; then
        COMPREPLY=("${found[@]//\'/\'\\\'\'}")
        return
    fi
    # readline begins a word anew behind `:` and `=`: what stands before the last of these is not to be given again.
    local breaks="${COMP_WORDBREAKS//[^:=@]/}" raw="${COMP_LINE:0:COMP_POINT}" n=0
    if [[ -n $breaks && $raw =~ (([^[:space:]\\]|\\.)*)$ ]]; then
        raw="${BASH_REMATCH[1]//[^$breaks]/}"
        n=${#raw}
    fi
    for value in "${found[@]}"; do
        printf -v line '%q' "$value"
        [[ $line == \$\'* ]] && line="${value// /\\ }" # an ASCII locale: %q would spell out every byte
        for ((at = 0; at < n; at++)); do
            line="${line#*[$breaks]}"
        done
        COMPREPLY+=("$line")
    done
}
complete -F _openrag openrag

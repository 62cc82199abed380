"""The completion scripts. Each hands the line over to `openrag __complete`, which knows the commands and the store.

What comes back is a line for each candidate, `value<TAB>what it is`; exit code 3 asks for file names instead.
"""

BASH = r"""# bash completion for openrag; made by scripts/build_docs.py

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
"""

ZSH = r"""#compdef openrag
# zsh completion for openrag; made by scripts/build_docs.py

_openrag() {
    local output line
    local -a values shown
    output="$(openrag __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2> /dev/null)"
    if (( $? == 3 )); then
        _files
        return
    fi
    for line in "${(@f)output}"; do
        [[ -n $line ]] || continue
        values+=("${line%%$'\t'*}")
        shown+=("${line%%$'\t'*}  ${line#*$'\t'}")
    done
    (( $#values )) && compadd -l -d shown -a values
}

if [[ $funcstack[1] == _openrag ]]; then
    _openrag "$@"
else
    compdef _openrag openrag
fi
"""

FISH = r"""# fish completion for openrag; made by scripts/build_docs.py

function __openrag_complete
    set -l words (commandline -opc)
    openrag __complete -- $words[2..-1] (commandline -ct | string unescape 2> /dev/null; or commandline -ct) 2> /dev/null
    if test $status -eq 3
        __fish_complete_path (commandline -ct)
    end
end

complete -c openrag -f -a '(__openrag_complete)'
"""

POWERSHELL = r"""# PowerShell completion for openrag; made by scripts/build_docs.py

Register-ArgumentCompleter -Native -CommandName openrag -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString()
    if ($line.Length -lt $cursorPosition) { $line = $line.PadRight($cursorPosition) }
    $found = & openrag __complete --line $line.Substring(0, $cursorPosition) 2> $null
    if ($LASTEXITCODE -eq 3) { return }
    foreach ($entry in $found) {
        $value, $what = $entry -split "`t", 2
        $text = if ($value -match "[\s'`"]") { "'" + $value.Replace("'", "''") + "'" } else { $value }
        if (-not $what) { $what = $value }
        [System.Management.Automation.CompletionResult]::new($text, $value, 'ParameterValue', $what)
    }
}
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH, "powershell": POWERSHELL}
PATHS = {
    "bash": "completions/openrag.bash",
    "zsh": "completions/_openrag",
    "fish": "completions/openrag.fish",
    "powershell": "completions/openrag.ps1",
}

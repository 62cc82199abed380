# fish completion for openrag; made by scripts/build_docs.py

function __openrag_complete
    set -l words (commandline -opc)
    openrag __complete -- $words[2..-1] (commandline -ct | string unescape 2> /dev/null; or commandline -ct) 2> /dev/null
    if test $status -eq 3
        __fish_complete_path (commandline -ct)
    end
end

complete -c openrag -f -a '(__openrag_complete)'

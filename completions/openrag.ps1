# PowerShell completion for openrag; made by scripts/build_docs.py

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

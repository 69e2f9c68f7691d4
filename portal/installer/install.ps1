# Installs the coditect command for you alone, as install.sh does.
#   irm @URL@/install.ps1 | iex                                             asks for the key, or reads CODITECT_LICENSE_KEY
#   & ([scriptblock]::Create((irm @URL@/install.ps1))) --key KEY --yes      with the same words as install.sh
# The whole script is one function that its last line calls: a download that was cut runs nothing.
# Exit codes (in $LASTEXITCODE): 0 done, 1 failed, 2 wrong use, 3 refused, 4 not reachable, 5 the bundle is not genuine.

function Install-Coditect {
    # Not 'Stop': Windows PowerShell would take any word that a program says on its error stream for an error.
    $ErrorActionPreference = 'Continue'
    $url = '@URL@'; $version = '@VERSION@'; $sha256 = '@SHA256@'; $publicKey = '@PUBLIC_KEY@'
    $state = if ($env:XDG_STATE_HOME) { $env:XDG_STATE_HOME } else { Join-Path $HOME '.local/state' }
    $work = Join-Path $state 'coditect/installer'
    $task = 'install'; $offline = ''; $rest = @()
    $words = @($args)
    if ($words.Count -gt 0 -and $words[0] -in 'install', 'uninstall') { $task = $words[0]; $words = @($words | Select-Object -Skip 1) }
    for ($at = 0; $at -lt $words.Count; $at++) {
        if ($words[$at] -eq '--offline') { $at++; $offline = "$($words[$at])" }
        elseif ("$($words[$at])".StartsWith('--offline=')) { $offline = "$($words[$at])".Substring(10) }
        else { $rest += $words[$at] }
    }
    if ($offline -and -not (Test-Path $offline -PathType Leaf)) { return Stop-Coditect 2 "There is no file $offline." }

    # Python is what the client runs on; the one that is found also checks the bundle.
    $python = $null
    foreach ($name in @($env:CODITECT_PYTHON, 'python', 'python3', 'py')) {
        if ($name -and (Get-Command $name -ErrorAction SilentlyContinue)) {
            & $name -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>$null
            if ($LASTEXITCODE -eq 0) { $python = $name; break }
        }
    }
    if (-not $python) { return Stop-Coditect 2 'Python 3.11 or newer is needed. Install it, or name it by CODITECT_PYTHON.' }

    New-Item -ErrorAction Stop -ItemType Directory -Force -Path $work | Out-Null
    $checker = @'
@CHECKER@
'@
    [System.IO.File]::WriteAllText((Join-Path $work 'genuine.py'), $checker)
    # Windows PowerShell drops empty words, so nothing to carry is told by its absence.
    $check = @('-I', (Join-Path $work 'genuine.py'), $work, $publicKey, $sha256)
    if ($offline) { $check += $offline }

    & $python @check 2>$null
    if (-not $offline -and $LASTEXITCODE -ne 0) {
        foreach ($file in 'coditect.tar.gz', 'coditect.tar.gz.sig') {
            $part = Join-Path $work "$file.part"
            try { Invoke-WebRequest -ErrorAction Stop -UseBasicParsing -Uri "$url/install/$version/$file" -OutFile $part }
            catch { return Stop-Coditect 4 "$url/install/$version/$file could not be fetched. If the service answers, this script is an old one: get it again." }
            Move-Item -ErrorAction Stop -Force $part (Join-Path $work $file)
        }
    }
    # Checksum and signature by the key pinned here; unpacks what was checked, and runs nothing of it.
    & $python @check
    if ($LASTEXITCODE -ne 0) { return }
    Write-Host "[1/6] bundle: $version, checksum and signature are good"

    $bundle = Join-Path $work 'bundle'
    if ($task -eq 'install') { $rest = @('--bundle', $bundle) + $rest }
    if (-not $env:CODITECT_URL) { $env:CODITECT_URL = $url }
    & $python -I -c 'import glob, sys; sys.path[:0] = glob.glob(sys.argv.pop(1) + ''/*.whl''); from glue.client.command import main; main()' $bundle $task @rest
    $code = $LASTEXITCODE
    if ($code -eq 0) { Remove-Item -Recurse -Force $work }
    $global:LASTEXITCODE = $code
}

function Stop-Coditect([int] $code, [string] $reason) {
    [Console]::Error.WriteLine($reason)
    $global:LASTEXITCODE = $code
}

# `exit` only out of a file: run by `iex`, it would close the window.
& { Install-Coditect @args; if ($PSCommandPath) { exit $global:LASTEXITCODE } } @args

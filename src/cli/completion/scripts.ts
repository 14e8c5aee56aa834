/**
 * The scripts that make shells complete smolvm's command line. They know nothing about it: at each Tab they ask
 * `smolvm __complete` (answer.ts), and leave files to the shell.
 */

/** bash 3.2 and newer. */
const bash = `# bash completion for smolvm, made by: smolvm completion bash
_smolvm() {
  local line=$COMP_LINE words=() word cur before='' prefix='' files='' i
  # bash splits words at the = and : in COMP_WORDBREAKS: what has no blank before it belongs to the word before.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
      words+=("$word")
      line=\${line#"\${line%%[![:blank:]]*}"}
    else
      words[\${#words[@]} - 1]+=$word
    fi
    line=\${line#"$word"}
  done
  cur=\${words[\${#words[@]} - 1]}
  # It takes only what follows the last one of them for the word that is replaced.
  for i in = :; do
    word=\${cur%"\${cur##*$i}"}
    if [[ $COMP_WORDBREAKS == *$i* ]] && ((\${#word} > \${#before})); then before=$word; fi
  done
  if [[ $cur == --*=* ]]; then prefix=\${cur%%=*}=; fi
  COMPREPLY=()
  {
    IFS='' read -r files
    while IFS='' read -r word; do
      word=\${word%%$'\\t'*}
      COMPREPLY+=("\${word#"$before"}")
    done
  } < <("\${COMP_WORDS[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  if [[ $files == :files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS='' read -r word; do
      word=$prefix$word
      COMPREPLY+=("\${word#"$before"}")
    done < <(compgen -f -- "\${cur#"$prefix"}")
  fi
}

complete -F _smolvm smolvm
`;

/** As a file \`_smolvm\` in fpath, or sourced after compinit. */
const zsh = `#compdef smolvm
# zsh completion for smolvm, made by: smolvm completion zsh
_smolvm() {
  local line word prefix=''
  local -a lines found
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ $PREFIX == --*=* ]]; then
    prefix=\${PREFIX%%=*}=
    compset -P 1 '*='
  fi
  for line in "\${(@)lines[2,-1]}"; do
    word=\${line%%$'\\t'*}
    word=\${\${\${word#$prefix}//\\\\/\\\\\\\\}//:/\\\\:}
    if [[ $line == *$'\\t'* ]]; then word+=:\${line#*$'\\t'}; fi
    found+=("$word")
  done
  if (($#found)); then _describe -t words smolvm found; fi
  if [[ $lines[1] == :files ]]; then _files; fi
}

if [[ $funcstack[1] == _smolvm ]]; then
  _smolvm "$@"
else
  compdef _smolvm smolvm
fi
`;

/** fish 3. */
const fish = `# fish completion for smolvm, made by: smolvm completion fish
function __smolvm_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    printf '%s\\n' $lines[2..-1]
    if test "$lines[1]" = :files
        set -l prefix (string match -r -- '^--[^=]+=' $current)
        __fish_complete_path (string replace -- "$prefix" '' "$current") | string replace -r '^' "$prefix"
    end
end

complete -c smolvm -f -a '(__smolvm_complete)'
`;

export const completionScripts = { bash, zsh, fish } as const;

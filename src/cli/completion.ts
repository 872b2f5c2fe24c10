import * as z from 'zod';

export const CompletionData = z.strictObject({ shell: z.enum(['bash', 'zsh', 'fish']), script: z.string() });
export type CompletionData = z.infer<typeof CompletionData>;
/** Completion scripts made from the list of commands: static text, so that a Tab press starts no Node. */

export interface CompletedFlag {
  readonly name: string;
  readonly description: string;
  /** Values to offer; empty where any text goes. */
  readonly options: readonly string[];
  readonly takesValue: boolean;
  /** The value is a file or folder. */
  readonly isPath: boolean;
}

export interface CompletedCommand {
  /** `catalog list`. */
  readonly words: string;
  readonly summary: string;
  readonly flags: readonly CompletedFlag[];
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const BIN = 'gemma-provision';

export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  return SCRIPTS[shell](commands);
}

/** How a user turns it on. */
export const INSTALL_HINT = {
  bash: `${BIN} completion bash > ~/.local/share/bash-completion/completions/${BIN}`,
  zsh: `${BIN} completion zsh > "\${fpath[1]}/_${BIN}"   # then start a new shell`,
  fish: `${BIN} completion fish > ~/.config/fish/completions/${BIN}.fish`,
} as const satisfies Readonly<Record<Shell, string>>;

const SCRIPTS = { bash, zsh, fish } as const satisfies Readonly<
  Record<Shell, (commands: readonly CompletedCommand[]) => string>
>;

/** Words that may come first: single commands and topics. */
function firstWords(commands: readonly CompletedCommand[]): string[] {
  return [...new Set(commands.map(({ words }) => words.split(' ')[0] ?? ''))].sort();
}

/** Topic → words that may follow it. */
function topics(commands: readonly CompletedCommand[]): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const { words } of commands) {
    const [topic, verb] = words.split(' ');
    if (topic !== undefined && verb !== undefined) found.set(topic, [...(found.get(topic) ?? []), verb]);
  }
  return [...found];
}

function bash(commands: readonly CompletedCommand[]): string {
  const flagCases = commands.map(
    ({ words, flags }) => `    '${words}') words='${flags.map(({ name }) => `--${name}`).join(' ')}' ;;`,
  );
  const valueCases = valueFlags(commands).map(
    ([name, options]) => `    --${name}) COMPREPLY=($(compgen -W '${options.join(' ')}' -- "$current")); return ;;`,
  );
  const pathFlags = [
    ...new Set(commands.flatMap(({ flags }) => flags.filter(({ isPath }) => isPath).map(({ name }) => `--${name}`))),
  ];
  const topicCases = topics(commands).map(([topic, verbs]) => `    ${topic}) words='${verbs.join(' ')}' ;;`);
  return `# bash completion for ${BIN}
_${BIN.replace('-', '_')}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words='' command='' word
  COMPREPLY=()
  case $previous in
${valueCases.join('\n')}
    ${pathFlags.join('|')}) compopt -o default; return ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) break ;; esac
    case "$command" in
      '') command=$word ;;
      ${
        topics(commands)
          .map(([topic]) => topic)
          .join('|') || "''"
      }) command="$command $word" ;;
    esac
  done
  case "$command" in
    '') words='${[...firstWords(commands), '--help', '--version'].join(' ')}' ;;
${topicCases.join('\n')}
${flagCases.join('\n')}
  esac
  if [[ $current != -* && $words == --* ]]; then compopt -o default; return; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _${BIN.replace('-', '_')} ${BIN}
`;
}

/** Flags with a closed list of values, once each. */
function valueFlags(commands: readonly CompletedCommand[]): [string, readonly string[]][] {
  const found = new Map<string, readonly string[]>();
  for (const { flags } of commands) {
    for (const { name, options } of flags) if (options.length > 0) found.set(name, options);
  }
  return [...found];
}

function zsh(commands: readonly CompletedCommand[]): string {
  const described = commands
    .filter(({ words }) => !words.includes(' '))
    .map(({ words, summary }) => `    '${words}:${zshText(summary)}'`);
  const topicLines = topics(commands).map(([topic, verbs]) => `    '${topic}:${verbs.join(', ')}'`);
  const cases = commands.map(({ words, flags }) => {
    const specs = flags.map((flag) => `      ${zshSpec(flag)}`).join(' \\\n');
    return `    '${words}') _arguments -s \\\n${specs} \\\n      '*: :_files' ;;`;
  });
  const verbCases = topics(commands).map(([topic, verbs]) => `    '${topic}') compadd ${verbs.join(' ')} ;;`);
  return `#compdef ${BIN}
_${BIN.replace('-', '_')}() {
  local -a commands
  commands=(
${[...described, ...topicLines].join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command=$words[2]
  case $command in
    ${
      topics(commands)
        .map(([topic]) => topic)
        .join('|') || "''"
    })
      if (( CURRENT > 3 )); then command="$words[2] $words[3]"; shift 2 words; (( CURRENT -= 2 )); fi ;;
    *) shift words; (( CURRENT -= 1 )) ;;
  esac
  case $command in
${[...verbCases, ...cases].join('\n')}
  esac
}
compdef _${BIN.replace('-', '_')} ${BIN}
`;
}

function zshSpec({ name, description, options, takesValue, isPath }: CompletedFlag): string {
  const action = isPath ? '_files' : options.length > 0 ? `(${options.join(' ')})` : ' ';
  return `'--${name}[${zshText(description)}]${takesValue ? `:${name}:${action}` : ''}'`;
}

function zshText(text: string): string {
  return text.replaceAll("'", '’').replaceAll(/[[\]:]/g, ' ');
}

function fish(commands: readonly CompletedCommand[]): string {
  const first = firstWords(commands);
  const topicNames = topics(commands).map(([topic]) => topic);
  const lines = [
    `# fish completion for ${BIN}`,
    `complete -c ${BIN} -f`,
    ...first.map((word) => {
      const summary = commands.find(({ words }) => words === word)?.summary ?? topicSummary(word, commands);
      return `complete -c ${BIN} -n __fish_use_subcommand -a ${word} -d ${fishText(summary)}`;
    }),
  ];
  for (const { words, summary, flags } of commands) {
    const [topic, verb] = words.split(' ');
    const seen =
      verb === undefined
        ? `__fish_seen_subcommand_from ${topic}`
        : `__fish_seen_subcommand_from ${topic}; and __fish_seen_subcommand_from ${verb}`;
    if (verb !== undefined && topicNames.includes(topic ?? '')) {
      lines.push(`complete -c ${BIN} -n '__fish_seen_subcommand_from ${topic}' -a ${verb} -d ${fishText(summary)}`);
    }
    for (const flag of flags) lines.push(`complete -c ${BIN} -n '${seen}' ${fishFlag(flag)}`);
  }
  return `${lines.join('\n')}\n`;
}

function topicSummary(topic: string, commands: readonly CompletedCommand[]): string {
  return (
    topics(commands)
      .find(([name]) => name === topic)?.[1]
      .join(', ') ?? ''
  );
}

function fishFlag({ name, description, options, takesValue, isPath }: CompletedFlag): string {
  const value = options.length > 0 ? ` -xa '${options.join(' ')}'` : isPath ? ' -rF' : takesValue ? ' -x' : '';
  return `-l ${name}${value} -d ${fishText(description)}`;
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The servers that were run for the matrix, side by side: what a person wants to know first. */
import { type ServerFacts, serverFacts } from '../src/compat/lookup.ts';
import type { CapabilityId, Matrix } from '../src/compat/schema.ts';
import { isIn } from '../src/compat/version.ts';

/** A heading line and one line a question, each with a cell for every server. */
export function glance(rows: Matrix): { readonly headers: readonly string[]; readonly lines: readonly string[][] } {
  const servers = rows.seen.map((version) => serverFacts(version, rows));
  const ask = (question: string, answer: (facts: ServerFacts) => string) => [question, ...servers.map(answer)];
  const has = (question: string, id: CapabilityId) => ask(question, ({ capabilities }) => yes(capabilities.has(id)));
  return {
    headers: ['', ...rows.seen],
    lines: [
      ...rows.architectures.map((row) => ask(`runs \`${row.id}\``, ({ version }) => yes(isIn(version, row)))),
      ask('is created from', ({ createProtocol }) => (createProtocol === 'files' ? 'files' : 'Modelfile text')),
      has('refuses at create a model that it cannot run', 'create-checks-architecture'),
      has('may rewrite the file', 'gguf-rewrite'),
      ask('peak disk of a create (× file size)', ({ diskFactor }) => String(diskFactor)),
      has("may prefer the file's Jinja to TEMPLATE", 'jinja-template'),
      has('removes a second BOS', 'bos-stripped'),
      has('shows the exact prompt', 'render-only'),
      ask('counts the whole prompt', ({ promptCount }) => yes(promptCount)),
      has('reports the context in use', 'ps-context-length'),
      ask('default context', ({ defaultContext }) =>
        [defaultContext.tokens, ...(defaultContext.byVramGiB ?? []).map(({ tokens }) => tokens)].join(' / '),
      ),
      ask('default parallel requests', ({ defaultParallel }) => String(defaultParallel)),
      ask('default repeat_penalty', ({ defaultRepeatPenalty }) => String(defaultRepeatPenalty)),
      ask('known dangers', ({ dangers }) => String(dangers.length)),
    ],
  };
}

function yes(value: boolean): string {
  return value ? 'yes' : 'no';
}

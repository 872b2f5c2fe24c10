import type { Finding, PromptProof, ShapeProof } from '../../smoke/prompt/schema.ts';
import { paint, type Terminal } from '../terminal.ts';

const VERDICTS = {
  proven: ['green', 'The prompt is proven byte for byte'],
  'proven-by-count': ['green', 'The prompt is proven by token counts; this server does not show its text'],
  differs: ['red', 'The prompt differs from the one that the model was trained with'],
  'not-provable': ['yellow', 'The prompt could not be proven'],
} as const satisfies Record<PromptProof['verdict'], readonly [string, string]>;

/** The proof of the prompt for a person: the verdict, the facts behind it, and what differs where. */
export function promptText(proof: PromptProof, terminal: Terminal): string {
  const [colour, sentence] = VERDICTS[proof.verdict];
  const differing = proof.shapes.filter(({ verdict }) => verdict === 'differs');
  return [
    `${paint(terminal, colour, sentence)}: ${factsOf(proof).join(', ')}.`,
    ...proof.findings.flatMap((finding) => findingLines(finding, terminal)),
    ...differing.flatMap(shapeLines),
  ].join('\n');
}

function factsOf({ shapes, bosCount, stop, winner, context, expectedFrom }: PromptProof): string[] {
  const same = shapes.filter(({ verdict }) => verdict.startsWith('equal')).length;
  return [
    `${same} of ${shapes.length} message shapes equal`,
    bosCount === undefined ? 'BOS not counted' : `BOS ${bosCount === 1 ? 'once' : `${bosCount} times`}`,
    stop.length > 0 ? `stop ${stop.join(' ')}` : 'no stop parameter',
    {
      template: "the Modelfile's template is used",
      jinja: "the file's own Jinja is used",
      'built-in': "the server's own chat format is used",
      unknown: '',
    }[winner],
    context.inForce === undefined ? '' : `context ${context.inForce} tokens`,
    `compared with the template of the ${expectedFrom}`,
  ].filter((fact) => fact !== '');
}

function findingLines({ id, severity, message, remedy }: Finding, terminal: Terminal): string[] {
  const mark = severity === 'fault' ? paint(terminal, 'red', '✗') : paint(terminal, 'yellow', '!');
  return [`${mark} ${id}: ${message}`, `    ${remedy}`];
}

function shapeLines({ id, difference, tokens }: ShapeProof): string[] {
  if (difference !== undefined) {
    return [
      `  ${id}: equal for ${difference.at} characters, then`,
      `    effective ${JSON.stringify(difference.effective)}`,
      `    expected  ${JSON.stringify(difference.expected)}`,
    ];
  }
  return tokens === undefined ? [] : [`  ${id}: ${tokens.effective} tokens instead of ${tokens.expected}`];
}

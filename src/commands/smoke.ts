import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags } from '../cli/flags.ts';
import { promptText } from '../cli/render/prompt.ts';
import { baselineText, smokeText } from '../cli/render/smoke.ts';
import type { SmokeData } from '../provision/install/smoke.ts';

/** A proof that was asked for and did not come about is a no as well. */
function isProven({ prompt }: SmokeData): boolean {
  return prompt === undefined || prompt.verdict.startsWith('proven');
}

export default class Smoke extends BaseCommand<SmokeData> {
  static override summary = 'Run the prompt suite on an installed model.';
  static override description =
    'Exits with 4 when a check fails, or when --proof cannot prove that the model receives the prompt that it was trained with.';
  static override examples = [
    '<%= config.bin %> smoke gemma-3n-e4b:q4_k_m --proof',
    '<%= config.bin %> smoke gemma3n:e4b --runtime ollama --suite ./my-suite.json --json',
  ];
  static override args = {
    name: Args.string({ required: true, ignoreStdin: true, description: 'name of the model in the runtime' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    proof: Flags.boolean({
      description: 'also prove the effective prompt: template, BOS, stop tokens, context length',
    }),
    suite: Flags.string({ helpValue: 'SUITE', description: 'built-in smoke suite or your own file: ./suite.json' }),
  };

  override async run(): Promise<SmokeData> {
    const { args, flags } = await this.parse(Smoke);
    const app = await this.app(flags);
    const { smokeOf } = await import('../provision/install/smoke.ts');
    const result = await this.progress(await smokeOf(app, args.name, flags));
    this.log(smokeText(result, this.terminal));
    if (result.baseline !== undefined) this.log(baselineText(result.baseline, this.terminal));
    if (result.prompt !== undefined) this.log(promptText(result.prompt, this.terminal));
    if (result.failed > 0 || !isProven(result)) this.negative();
    return result;
  }
}

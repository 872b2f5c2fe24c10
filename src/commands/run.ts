import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { runtimeFlags } from '../cli/flags.ts';
import type { RunData } from '../provision/maintain/chat.ts';

export default class Run extends BaseCommand<RunData> {
  static override summary = 'Answer a prompt with an installed model.';
  static override description = 'Streams the answer to stdout. Without a PROMPT, the prompt is read from stdin.';
  static override examples = [
    '<%= config.bin %> run gemma-3n-e4b:q4_k_m "What is the capital of France?"',
    'cat question.txt | <%= config.bin %> run gemma-3n-e4b:q4_k_m',
  ];
  static override args = {
    name: Args.string({ required: true, ignoreStdin: true, description: 'name of the model in the runtime' }),
    prompt: Args.string({ ignoreStdin: true, description: 'prompt' }),
  };
  static override flags = {
    ...runtimeFlags,
    system: Flags.string({ helpValue: 'TEXT', description: 'system prompt' }),
    temperature: Flags.string({ helpValue: 'T', description: 'sampling temperature, 0 to 2' }),
    seed: Flags.integer({ helpValue: 'N', description: 'seed of the sampler' }),
    'max-tokens': Flags.integer({ min: 1, helpValue: 'N', description: 'maximum length of the answer (num_predict)' }),
  };

  override async run(): Promise<RunData> {
    const { args, flags } = await this.parse(Run);
    const app = await this.app(flags);
    const { chat } = await import('../provision/maintain/chat.ts');
    const answer = await chat(app, args.name, args.prompt, flags);
    for (;;) {
      const step = await answer.next();
      if (step.done) {
        this.log();
        const { text, endedBy, answerTokens, tokensPerSecond } = step.value;
        return {
          response: text,
          endedBy,
          tokens: answerTokens,
          ...(tokensPerSecond !== undefined && { tokensPerSecond }),
        };
      }
      if (!this.jsonEnabled()) this.terminal.out.data(step.value);
    }
  }
}

import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags, choiceFlags, visionFlags } from '../../cli/flags.ts';
import type { ModelfileRenderData } from '../../provision/plan/modelfiles.ts';

export default class ModelfileRender extends BaseCommand<ModelfileRenderData> {
  static override summary = 'Print the Modelfile of a model and quant.';
  static override examples = ['<%= config.bin %> modelfile render gemma-3n-e4b:q5_k_m > Modelfile'];
  static override args = {
    model: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'model with its quant: gemma-3n-e4b:q5_k_m',
    }),
  };
  static override flags = {
    ...catalogFlags,
    ...visionFlags,
    ctx: choiceFlags.ctx,
    sampling: Flags.string({ helpValue: 'PROFILE', description: 'sampling profile of the model (see catalog show)' }),
  };

  override async run(): Promise<ModelfileRenderData> {
    const { args, flags } = await this.parse(ModelfileRender);
    const app = await this.app(flags);
    const { renderModelfileFor } = await import('../../provision/plan/modelfiles.ts');
    const data = await renderModelfileFor(app, args.model, flags);
    if (!this.jsonEnabled()) this.terminal.out.data(data.modelfile);
    return data;
  }
}

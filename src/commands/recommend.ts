import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import {
  catalogFlags,
  choiceFlags,
  hostProfileFlags,
  networkFlags,
  outputFlags,
  recommendationFlags,
  runtimeFlags,
  visionFlags,
} from '../cli/flags.ts';
import { recommendationText } from '../cli/render/recommend.ts';
import { installRequest } from '../cli/requests.ts';
import type { RecommendData } from '../provision/plan/recommend.ts';

export default class Recommend extends BaseCommand<RecommendData> {
  static override summary = 'Rank every quant of a model for this machine, with reasons.';
  static override description =
    'Combines what the model card recommends, the memory that the tensor lists need, the expected speed, and what the server can load. Also shows what would change the result. Exits with 4 when nothing fits.';
  static override examples = [
    '<%= config.bin %> recommend',
    '<%= config.bin %> recommend gemma-3n-e4b --use-case chatbot --ctx 8192',
    '<%= config.bin %> recommend gemma-3n-e4b --profile ./workstation.json --json',
    '<%= config.bin %> recommend --what-if vram=16GiB,ram=32GiB',
    '<%= config.bin %> recommend gemma-3n-e4b --table',
    '<%= config.bin %> recommend gemma-3n-e4b --html ./fit.html',
    '<%= config.bin %> recommend --from ./some.gguf',
    '<%= config.bin %> recommend --from https://example.org/some.gguf',
  ];
  static override args = {
    model: Args.string({ ignoreStdin: true, description: 'model of the catalog (default: gemma-3n-e4b)' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...networkFlags,
    ...choiceFlags,
    vision: visionFlags.vision,
    ...hostProfileFlags,
    ...catalogFlags,
    ...recommendationFlags,
    ...outputFlags,
    from: Flags.string({
      helpValue: 'REF',
      description:
        'evaluate this GGUF file instead of a model of the catalog; only the header of an https: address is downloaded',
    }),
    family: Flags.string({ helpValue: 'FAMILY', description: 'family of a file that is not in the catalog' }),
    'server-version': Flags.string({ helpValue: 'V', description: 'plan for this Ollama version' }),
  };

  override async run(): Promise<RecommendData> {
    const { args, flags } = await this.parse(Recommend);
    const app = await this.app(flags);
    const { recommendFor } = await import('../provision/plan/recommend.ts');
    // `--force` is about the page.
    const request = installRequest(args.model, { ...flags, force: false }, app.settings);
    const { data: ranking, warnings } = await recommendFor(app, request, flags);
    const { html, force } = flags;
    const data = html === undefined ? ranking : { ...ranking, html: await this.#page({ file: html, force }, ranking) };
    for (const warning of warnings) this.warn(warning);
    this.log(recommendationText(data, this.terminal));
    if (data.projector !== undefined) this.log(`\n${data.projector.sentence}`);
    if (data.html !== undefined) this.log(`\nPage: ${data.html}`);
    if (data.choice === undefined) this.negative();
    return data;
  }

  async #page(page: { readonly file: string; readonly force: boolean }, data: RecommendData): Promise<string> {
    const { writePage } = await import('../report/page.ts');
    return writePage(page, data, this.config.root);
  }
}

import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { pruningText } from '../../cli/render/cache.ts';
import type { CachePruning } from '../../sources/cache/schema.ts';

export default class CachePrune extends BaseCommand<CachePruning> {
  static override summary = 'List (with --apply: remove) cached files that no installed model needs.';
  static override description =
    'Keeps files that installed models came from, so that a repair needs no network, and files downloaded within the last hour; --all includes them.';
  static override examples = [
    '<%= config.bin %> cache prune',
    '<%= config.bin %> cache prune --apply',
    '<%= config.bin %> cache prune --older-than 30d --apply',
  ];
  static override flags = {
    apply: Flags.boolean({ description: 'remove what is listed' }),
    all: Flags.boolean({ description: 'include files that installed models came from' }),
    'older-than': Flags.string({
      helpValue: 'AGE',
      description: 'only files downloaded at least this long ago: 45m, 12h, 30d, 2w',
    }),
  };

  override async run(): Promise<CachePruning> {
    const { flags } = await this.parse(CachePrune);
    const app = await this.app(flags);
    const { pruneCache } = await import('../../provision/maintain/cache.ts');
    const { apply = false, all = false } = flags;
    const pruning = await this.progress(await pruneCache(app, { apply, all, olderThan: flags['older-than'] }));
    for (const { path, problem } of pruning.items) if (problem !== undefined) this.warn(`${path} stays: ${problem}`);
    this.log(pruningText(pruning));
    return pruning;
  }
}

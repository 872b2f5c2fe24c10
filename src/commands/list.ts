import { BaseCommand } from '../cli/base-command.ts';
import { recordsText } from '../cli/render/records.ts';
import { EXIT_CODE } from '../core/errors.ts';
import type { ListData } from '../provision/maintain/records.ts';

export default class List extends BaseCommand<ListData> {
  static override summary = 'List installed models.';
  static override description = 'Exits with 18 when a record file is damaged; the other models are listed.';
  static override examples = ['<%= config.bin %> list', '<%= config.bin %> list --json'];

  override async run(): Promise<ListData> {
    const { flags } = await this.parse(List);
    const app = await this.app(flags);
    const { allRecords } = await import('../provision/maintain/records.ts');
    const { records, broken } = await allRecords(await app.registry());
    for (const { message, suggestions } of broken) this.warn([message, ...suggestions.slice(0, 1)].join(' '));
    if (broken.length > 0) this.negative(EXIT_CODE['bad-record']);
    this.log(recordsText(records, broken.length));
    return { records, broken };
  }
}

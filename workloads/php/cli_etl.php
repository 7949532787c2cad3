<?php
/*
 * Twin of the workload cli-etl: CSV rows in batches, each of which lives until the next is complete. Prints one line of
 * JSON: live bytes and the collector's state at ten checkpoints.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_etl.php [--steps=N] [--seed=N] [--rows=N] [--keys=N]

  --steps=N        batches (default 400)
  --seed=N         of the random numbers (default 1)
  --rows=N         of a batch (default 500)
  --keys=N         of loaded groups that are remembered (default 80000)

TEXT;

const COLUMNS = ['id', 'email', 'store', 'date', 'quantity', 'price', 'status', 'note'];
const STORES = 225;
const NOTE_WORDS = 5;

class Import
{
    private ?array $batch = null;
    private array $index = [];
    private array $ring = [];
    private int $hand = 0;
    private int $difference = 0;

    public function __construct(private array $options)
    {
        for ($i = 0; $i < $options['keys']; $i++) {
            $this->remember($this->key($i, 'boot'), 0);
        }
    }

    /** Not by sprintf(), whose results keep the room of 256 bytes that it began with. */
    private function key(int $number, string $store): string
    {
        return str_pad((string) $number, 10, '0', STR_PAD_LEFT) . ':' . $store;
    }

    private function remember(string $key, int $count): void
    {
        if (isset($this->ring[$this->hand])) {
            unset($this->index[$this->ring[$this->hand]]);
        }
        $this->index[$key] = $count;
        $this->ring[$this->hand] = $key;
        $this->hand = ($this->hand + 1) % $this->options['keys'];
    }

    /** As another program has written it. */
    private function line(int $number): string
    {
        return sprintf('%d,Customer%05d@Mail.CH,S%d,2023-%02d-%02d,%d,%d.%02d,%.7s,%s', 100000 + $number % 900000,
            mt_rand(10000, 99999), mt_rand(100, 99 + STORES), mt_rand(1, 12), mt_rand(1, 28), mt_rand(1, 9),
            mt_rand(1000, 9999), mt_rand(0, 99), words(1), strtr(words(NOTE_WORDS), ',', ' '));
    }

    private function validDate(string $date): bool
    {
        $year = substr($date, 0, 4);
        $month = substr($date, 5, 2);
        $day = substr($date, 8, 2);
        return checkdate((int) $month, (int) $day, (int) $year);
    }

    private function row(int $number, int $index, array &$groups): array
    {
        $fields = explode(',', $this->line($number));
        $row = [];
        foreach (COLUMNS as $position => $column) {
            $row[$column] = $fields[$position];
        }
        unset($fields);
        $row['email'] = strtolower($row['email']);
        $this->validDate($row['date']);
        if (!isset($groups[$row['store']])) {
            $groups[$row['store']] = ['count' => 0, 'cents' => 0];
        }
        $groups[$row['store']]['count']++;
        $groups[$row['store']]['cents'] += (int) ((float) $row['price'] * 100) * (int) $row['quantity'];
        $record = [];
        foreach (['id', 'email', 'date', 'price', 'note'] as $column) {
            $record[] = $row[$column];
        }
        $output = implode(';', $record);
        if ($this->batch !== null) {
            $this->difference += (int) $row['price'] - (int) $this->batch[$index]['price'];
        }
        return $row;
    }

    public function batch(int $batch): int
    {
        $rows = [];
        $groups = [];
        for ($i = 0; $i < $this->options['rows']; $i++) {
            $rows[] = $this->row(($batch - 1) * $this->options['rows'] + $i, $i, $groups);
        }
        foreach ($groups as $store => $group) {
            $this->remember($this->key($batch, $store), $group['count']);
        }
        $checksum = crc32($rows[0]['email'] . $rows[1]['note']) + $this->difference;
        $this->batch = $rows;
        return $checksum & 0xffffffff;
    }
}

$options = read_options('cli_etl.php', array_slice($argv, 1), USAGE,
    ['steps' => 400, 'seed' => 1, 'rows' => 500, 'keys' => 80000]);
if ($options['rows'] < 2 || $options['keys'] < 1 || $options['steps'] < 1) {
    fail('cli_etl.php', 'expected at least one step, two rows and one key');
}
mt_srand($options['seed']);
words(1);
$checkpoints = new Checkpoints($options['steps']);
$import = new Import($options);
$checksum = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    $checksum = ($checksum * 31 + $import->batch($step)) & 0xffffffff;
    $checkpoints->pass($step);
}
$checkpoints->report('cli_etl', $options, $checksum);

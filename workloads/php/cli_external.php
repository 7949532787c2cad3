<?php
/*
 * Twin of the workload cli-external: jobs that leave a ring of a few objects, one of which holds a buffer that is not PHP's:
 * malloc's, made through FFI, which memory_get_usage() does not count.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_external.php [--steps=N] [--seed=N] [--bytes=N] [--ring=N] [--records=N] [--resident=N]

  --steps=N      jobs (default 1200)
  --bytes=N      outside the heap, held by each ring (default 65536)
  --ring=N       objects of a ring (default 5)
  --records=N    arrays that a job makes and drops (default 250)
  --resident=N   objects that live on (default 5000)

TEXT;

class Buffer
{
    public static int $outstanding = 0;
    public int $number = 0;
    public ?FFI\CData $bytes = null;

    public function __destruct()
    {
        self::$outstanding -= FFI::sizeof($this->bytes);
    }
}

class Link
{
    public ?Link $next = null;
    public ?Buffer $held = null;
}

function make_buffer(int $number, int $bytes): Buffer
{
    static $type = null;
    $type ??= FFI::type("char[$bytes]");
    $buffer = new Buffer();
    $buffer->number = $number;
    $buffer->bytes = FFI::new($type, true, true); /* malloc's, and the object gives it back */
    FFI::memset($buffer->bytes, $number & 0xFF, $bytes);
    Buffer::$outstanding += $bytes;
    return $buffer;
}

/** Returns the number of objects that were made, the ring's. */
function make_ring(int $number, array $options): int
{
    $first = new Link();
    $first->held = make_buffer($number, $options['bytes']);
    $last = $first;
    for ($i = 2; $i < $options['ring']; $i++) {
        $link = new Link();
        $link->next = $last;
        $last = $link;
    }
    $first->next = $last;
    return $options['ring'];
}

function run_job(int $number, array $options): int
{
    $sum = 0;
    for ($i = 0; $i < $options['records']; $i++) {
        $record = [];
        $record[] = (string) (100000 + $i);
        $pair = [];
        $pair[] = (string) (100000 + $i + $number);
        $record[] = $pair;
        $sum = ($sum * 31 + strlen($record[0]) + strlen($record[1][0])) & 0xffffffff;
    }
    return ($sum + make_ring($number, $options)) & 0xffffffff;
}

$options = read_options('cli_external.php', array_slice($argv, 1), USAGE,
    ['steps' => 1200, 'seed' => 1, 'bytes' => 65536, 'ring' => 5, 'records' => 250, 'resident' => 5000]);
make_buffer(0, $options['bytes']); /* what FFI itself takes is no part of the program */
$checkpoints = new Checkpoints($options['steps']);
$resident = [];
for ($i = 0; $i < $options['resident']; $i++) {
    $resident[] = new Link();
}
$checksum = 0;
$peak = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    $checksum = ($checksum * 31 + run_job($step, $options)) & 0xffffffff;
    $peak = max($peak, Buffer::$outstanding);
    $checkpoints->pass($step);
}
$checkpoints->report('cli_external', $options, $checksum, ['peak_external_bytes' => $peak]);

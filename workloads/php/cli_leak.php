<?php
/*
 * Twin of the workload cli-leak: messages that are decoded and let go of, and a list that grows by a node an iteration.
 * Prints one line of JSON: live bytes and the collector's state at ten checkpoints.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_leak.php [--steps=N] [--seed=N] [--leak=BYTES] [--orders=N]

  --steps=N        iterations (default 1000)
  --seed=N         of the random numbers (default 1)
  --leak=BYTES     that stay for ever, an iteration (default 1024): 0, or 104 and more
  --orders=N       orders of a message (default 20)

TEXT;

const ITEMS = 5;
/** Payloads of a node and of a text's header with the zero at its end. */
const NODE_BYTES = 72;
const STRING_BYTES = 25;

class LeakNode
{
    public $next, $text;
}

$options = read_options('cli_leak.php', array_slice($argv, 1), USAGE,
    ['steps' => 1000, 'seed' => 1, 'leak' => 1024, 'orders' => 20]);
if ($options['leak'] > 0 && $options['leak'] < NODE_BYTES + 32) {
    fail('cli_leak.php', "--leak={$options['leak']}: expected 0, or 104 and more");
}
if ($options['steps'] < 1 || $options['orders'] < 1) {
    fail('cli_leak.php', 'expected at least one step and one order');
}
mt_srand($options['seed']);
words(1);
$checkpoints = new Checkpoints($options['steps']);
$list = null;
$checksum = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    $data = (new MessageDecoder(make_batch($step, $options['orders'], ITEMS)))->decode();
    if ($options['leak'] > 0) {
        $node = new LeakNode();
        $node->text = str_repeat(chr(97 + $step % 26), $options['leak'] - NODE_BYTES - STRING_BYTES);
        $node->next = $list;
        $list = $node;
        unset($node);
    }
    $checksum = ($checksum * 31 + crc32($data['orders'][0]['customer'])) & 0xffffffff;
    unset($data);
    $checkpoints->pass($step);
}
$checkpoints->report('cli_leak', $options, $checksum);

"""Runs of agents as their authors publish them, written for these tests: instructed, reasoning and acting, planning."""

from __future__ import annotations

HEAD = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
AGENTINSTRUCT = [
    {
        "id": "db_1",
        "conversations": [
            {"from": "human", "loss": None, "value": "Help with a table.\nAction: Operation\nput SQL in a block"},
            {"from": "gpt", "loss": False, "value": "Ok."},
            {"from": "human", "loss": None, "value": "How many rows has the table pets?"},
            {
                "from": "gpt",
                "loss": True,
                "value": "I count.\nAction: Operation\n```sql\nSELECT COUNT(*) FROM pets\n```",
            },
            {"from": "human", "loss": None, "value": "[(3,)]"},
            {"from": "gpt", "loss": True, "value": 'There are 3.\nAction: Answer\nFinal Answer: ["3"]'},
        ],
    },
    {
        "id": "db_2",
        "conversations": [
            {"from": "human", "loss": None, "value": "Help with a table."},
            {"from": "gpt", "loss": False, "value": "Ok."},
            {"from": "human", "loss": None, "value": "Delete the caf\u00e9 \u2028 row."},
            {"from": "gpt", "loss": True, "value": "Deleting.\nAction: Operation\n```sql\nDELETE FROM cafes\n```"},
        ],
    },
]
ETO = [
    {
        "id": "webshop_1",
        "conversations": [
            {"from": "human", "value": "You are shopping."},
            {"from": "gpt", "value": "OK"},
            {"from": "human", "value": "Find a red mug. [SEP] Search"},
            {"from": "gpt", "value": "Thought: I search.\nAction: search[red mug]"},
            {"from": "human", "value": "Observation: 1 result"},
            {"from": "gpt", "value": "Thought: I buy it.\nAction: click[Buy Now]"},
        ],
        "reward": reward,
        "source": "human",
    }
    for reward in (1.0, 0.75)
]
NAT = [
    {
        "conversations": [
            {"role": "assistant", "content": "Thought: I look.\n\nAction: search[moon]", "loss": True},
            {"role": "user", "content": "Observation: #1: a moon", "loss": False},
            {"role": "assistant", "content": "Thought: Yes.\n\nAction: finish[Yes]", "loss": True},
            {"role": "user", "content": "Observation: Episode finished", "loss": False},
        ],
        "info": {"reward": True, "acc": True, "gt": True, "pred": "Yes"},
        "id": "q1",
        "source": "0.2",
    },
    {
        "conversations": [
            {"role": "assistant", "content": "Thought: No.\n\nAction: finish[No]", "loss": True},
            {"role": "user", "content": "Observation: Episode finished", "loss": False},
        ],
        "info": {"reward": False, "acc": False, "gt": True, "pred": "No"},
        "id": "q1",
        "source": "0.7",
    },
    {
        "conversations": [{"role": "assistant", "content": "Thought: and on", "loss": True}],
        "info": {"reward": False, "gt": False},
        "id": "q2",
        "source": "0.7",
    },
    {"conversations": [], "info": {"reward": False, "gt": False}, "id": "q2", "source": "0.5"},
    {
        "conversations": [{"role": "assistant", "content": "Thought: x", "loss": True}],
        "info": {"reward": False, "gt": False},
        "id": "unknown",
        "source": "0.5",
    },
]
QUESTIONS = [{"id": "q1", "question": "Is there a moon?", "answer": True}, {"id": "q2", "question": "Why?"}]
ALPACA = [
    {
        "instruction": "Who wrote it?",
        "input": "",
        "output": "Thought: I look.\nAction: search[who wrote it]\nObservation: Ann Lee wrote\nmuch of it.\n"
        "Thought: So Ann.\nAction: finish[Ann Lee]\nObservation: Episode finished, reward = True\n",
    },
    {
        "instruction": "Question: Which is red?",
        "input": "",
        "output": "A. grass\nB. blood\nThought: Blood.\nAction: finish[B]\nObservation: Episode finished, reward = 0",
    },
    {
        "instruction": "Would you?",
        "input": "",
        "output": "Action: finish[Thought: One would. Answer: yes.]\nObservation: Episode finished, reward = 1",
    },
    {
        "instruction": "And then?",
        "input": "",
        "output": "Thought: first\nObservation: seen\nThought: second\nAction: finish[no]\n"
        "Observation: Episode finished, reward = 1\n",
    },
]
FIREACT_CHAT = [
    {
        "messages": [
            {"role": "user", "content": "Who wrote it?"},
            {"role": "assistant", "content": "Thought: Ann.\nAction: finish[Ann]"},
            {"role": "user", "content": "Observation: Episode finished, reward = True"},
        ]
    }
]
TRAJS = {
    "77": {
        "reward": True,
        "em": True,
        "f1": 1.0,
        "gt": "ann lee",
        "pred": "ann lee",
        "prompt": [],
        "traj": FIREACT_CHAT[0]["messages"],
    },
    "78": {
        "reward": False,
        "em": False,
        "f1": 0.5,
        "gt": "ann lee",
        "pred": "ann",
        "prompt": "",
        "traj": f"{HEAD}\n\n### Instruction:\nWho wrote it?\n\n### Response:\nThought: Ann.\nAction: finish[Ann]\n"
        "Observation: Episode finished, reward = False",
    },
}
LUMOS = [
    {
        "dataset": "maths",
        "id": "maths_0",
        "messages": [
            {"role": "user", "content": "Plan it.\nTask: add 2 and 3"},
            {"role": "assistant", "content": "Subgoal 1: Add."},
            {"role": "user", "content": "The executed result for Subgoal 1 is 5. Should we stop planning?"},
            {"role": "assistant", "content": "Yes, I will stop planning."},
        ],
    },
    {
        "source": "maths",
        "task": "Add 2 and 3.",
        "subgoal_plan": "Subgoal 1: Add.\nAction 1-1: R1 = Calculator(2+3) = 5",
    },
]

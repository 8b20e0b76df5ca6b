"""A small convolutional net for scikit-learn's digits: the same script here, on SageMaker, Vertex AI and Azure ML."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cloudai.training import checkpoint_dir, export_onnx, hparams, log_metric, model_dir

torch.manual_seed(0)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
given = hparams()

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
classes = torch.tensor(digits.target)
train, test = train_test_split(range(len(images)), test_size=0.3, random_state=0, stratify=digits.target)

net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3, padding=1),
    torch.nn.ReLU(),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
    torch.nn.Linear(16 * 16, int(given["hidden"])),
    torch.nn.ReLU(),
    torch.nn.Linear(int(given["hidden"]), 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=float(given["rate"]))
loss_of = torch.nn.CrossEntropyLoss()

saved = checkpoint_dir() / "last.pt"
begin = 0
if saved.exists():  # an interrupted run goes on where it was
    state = torch.load(saved, weights_only=True)
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimizer"])
    begin = state["epoch"] + 1

for epoch in range(begin, int(given["epochs"])):
    net.train()
    order = torch.tensor(train)[torch.randperm(len(train), generator=torch.Generator().manual_seed(epoch))]
    for batch in order.split(64):
        optimizer.zero_grad()
        loss = loss_of(net(images[batch]), classes[batch])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        right = (net(images[test]).argmax(1) == classes[test]).float().mean()
    log_metric("train_loss", loss.item(), step=epoch)
    log_metric("test_accuracy", right.item(), step=epoch)
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, saved)

done = export_onnx(
    net,
    model_dir(),
    example=images[:4],
    inputs=("image",),
    outputs=("logits",),
    task="classify",
    labels=[str(digit) for digit in range(10)],
    image={"size": [8, 8], "color": "L"},
    output={"activation": "softmax", "top_k": 3},
)
print(f"exported: largest difference {done.max_difference:.2g}, opset {done.opset}")
